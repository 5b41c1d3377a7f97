import { createRequire } from "node:module";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { compileRoutes, type RouteDefinition } from "./routeMatcher";

type TreeNode = RouteDefinition & { children: TreeNode[] };
type RemixMatch = { params: Record<string, string | undefined>; route: { id: string } };
type RemixRouter = { matchRoutes(routes: TreeNode[], pathname: string): RemixMatch[] | null };

const { matchRoutes } = createRequire(createRequire(import.meta.url).resolve("@remix-run/server-runtime"))(
  "@remix-run/router"
) as RemixRouter;

function tree(routes: readonly RouteDefinition[], parentId?: string): TreeNode[] {
  return routes.filter((route) => route.parentId === parentId).map((route) => ({ ...route, children: tree(routes, route.id) }));
}

/** A small deterministic generator: a failing case prints its seed, and repeats. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const LITERALS = ["api", "v1", "v2", "runs", "Runs", "tasks", "trigger", "a.b", "a+b", "x-y"];
const PARAMETERS = [":runId", ":taskId", ":key"];

function randomSegment(random: (below: number) => number): string {
  const segment = random(3) === 0 ? PARAMETERS[random(PARAMETERS.length)] : LITERALS[random(LITERALS.length)];
  return `${segment}${random(8) === 0 ? "?" : ""}`;
}

function randomRoutes(random: (below: number) => number): RouteDefinition[] {
  const routes: RouteDefinition[] = [{ id: "root", path: "" }];
  const count = 5 + random(25);
  for (let i = 0; i < count; i++) {
    const parents = routes.filter((route) => !route.index && !route.path?.includes("*"));
    const parentId = parents[random(parents.length)]?.id ?? "root";
    const segments = Array.from({ length: 1 + random(3) }, () => randomSegment(random));
    const kind = random(12);
    if (kind === 0) routes.push({ id: `r${i}`, parentId, index: true });
    else if (kind === 1) routes.push({ id: `r${i}`, parentId });
    else if (kind === 2) routes.push({ id: `r${i}`, parentId, path: [...segments.filter((s) => !s.endsWith("?")), "*"].join("/") });
    else routes.push({ id: `r${i}`, parentId, path: segments.join("/"), caseSensitive: false });
  }
  return routes;
}

const VALUES = [
  "run_1",
  "a%2Fb",
  "a%252Fb",
  "%41pi",
  "API",
  "RUNS",
  "über",
  "%C3%BC",
  "%E0%A4%A",
  "",
  "a b",
  "a%0Ab",
  "..",
  "K",
  "%E2%84%AA",
  "x.y",
  "*",
  ":runId",
];

function randomPath(random: (below: number) => number): string {
  const parts = Array.from({ length: random(7) }, () =>
    random(3) === 0 ? VALUES[random(VALUES.length)] : LITERALS[random(LITERALS.length)]
  );
  return `/${parts.join("/")}${"/".repeat(random(5) === 0 ? 1 + random(2) : 0)}`;
}

function expectSame(routes: readonly RouteDefinition[], paths: readonly string[], label: string): number {
  const match = compileRoutes(routes);
  const nested = tree(routes);
  let matched = 0;
  for (const path of paths) {
    const theirs = matchRoutes(nested, path)?.at(-1);
    const ours = match(path);
    const expected = theirs ? { id: theirs.route.id, params: { ...theirs.params } } : null;
    const actual = ours ? { id: ours.route.id, params: ours.params } : null;
    expect(actual, `${label} ${JSON.stringify(path)} in ${JSON.stringify(routes)}`).toEqual(expected);
    if (ours) matched++;
  }
  return matched;
}

describe("route matcher", () => {
  // Remix warns on every malformed escape that is generated here.
  beforeAll(() => void vi.spyOn(console, "warn").mockImplementation(() => undefined));
  afterAll(() => void vi.restoreAllMocks());

  it("agrees with Remix's matchRoutes on generated trees and paths", { timeout: 60_000 }, () => {
    let matched = 0;
    for (let seed = 1; seed <= 250; seed++) {
      const random = randomOf(seed);
      const routes = randomRoutes(random);
      const paths = Array.from({ length: 60 }, () => randomPath(random));
      matched += expectSame(routes, paths, `seed ${seed}`);
    }
    expect(matched).toBeGreaterThan(1_000);
  });

  it("agrees with Remix on the forms that API paths take", () => {
    const routes: RouteDefinition[] = [
      { id: "root", path: "" },
      { id: "list", parentId: "root", path: "api/v1/runs" },
      { id: "one", parentId: "list", path: ":runId" },
      { id: "result", parentId: "root", path: "api/v1/runs/:runId/result" },
      { id: "packets", parentId: "root", path: "api/v1/packets/*" },
      { id: "catch", parentId: "root", path: "*" },
    ];
    const paths = [
      "/api/v1/runs",
      "/API/v1/RUNS/",
      "/api/v1/runs/run_1",
      "/api/v1/runs/a%2Fb/result",
      "/api/v1/packets/x/y%20z",
      "/api/v1/packets",
      "/api//v1",
      "/",
      "/%ff",
    ];
    expect(expectSame(routes, paths, "api")).toBe(paths.length);
  });

  it("refuses what it would match differently", () => {
    expect(() => compileRoutes([{ id: "x", path: "runs/:id.json" }])).toThrow(/not supported/);
  });
});
