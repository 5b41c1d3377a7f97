/** The parts of the workflow that are pure. */
import { describe, expect, it } from "vitest";
import { fullText } from "../stepError";
import { grantable } from "./buildSlots.server";
import { Compensations } from "./compensations";
import { attempt, unwrap } from "./engine/attempts";
import { codeOf, DeployError, isConnectionLoss, reviveError, storeError } from "./errors";
import { decideTargets, NO_REGIONS, type RegionRow } from "./targets";

const open = { closed: () => false, fenced: () => undefined };
const line = (...caps: number[]) => caps.map((cap, n) => ({ deploymentId: `d${n}`, cap, active: 0 }));
const region = (name: string, over: Partial<RegionRow> = {}): RegionRow => ({
  ...{ region: name, regionId: `id-${name}`, replicas: 1, canSchedule: true, agents: [{ platform: "linux", packages: [] }] },
  ...over,
});

const node = { runtime: "node", defaultRegion: "eu" };
const bun = { runtime: "bun", defaultRegion: "eu" };

describe("build slots", () => {
  it("gives slots strictly in order, up to what the first in line allows", () => {
    expect(grantable(line(2, 2, 2))).toEqual(["d0", "d1"]);
    expect(grantable(line(1, 5, 5))).toEqual(["d0", "d1", "d2"]);
    expect(grantable(line(5, 1, 5))).toEqual(["d0"]);
    expect(grantable(line(2, 2).map((place) => ({ ...place, active: 2 })))).toEqual([]);
  });
});

describe("target regions", () => {
  it("11: are in byte order of their names, whatever order the rows have", () => {
    const names = (rows: RegionRow[]) => {
      const decision = decideTargets(rows, { runtime: "node", defaultRegion: "eu" });
      return decision.kind === "targets" ? decision.targets.map((target) => target.region) : [];
    };
    expect(names([region("us"), region("eu-2"), region("eu"), region("ap")])).toEqual(["ap", "eu", "eu-2", "us"]);
    expect(names([region("ap"), region("us"), region("eu"), region("eu-2")])).toEqual(["ap", "eu", "eu-2", "us"]);
  });

  it("10: names every violation at once", () => {
    const decision = decideTargets(
      [
        region("a", { replicas: 0 }),
        region("b", { replicas: 1.5 }),
        region("c", { replicas: "2" }),
        region("d", { replicas: 21 }),
        region("e", { regionId: null }),
      ],
      { runtime: "node", defaultRegion: "a" }
    );
    expect(decision).toEqual({
      kind: "refuse",
      violations: [
        'Region "a": replicas must be a whole number between 1 and 20 (got 0).',
        'Region "b": replicas must be a whole number between 1 and 20 (got 1.5).',
        'Region "c": replicas must be a whole number between 1 and 20 (got "2").',
        'Region "d": replicas must be a whole number between 1 and 20 (got 21).',
        'Region "e" does not exist.',
      ],
    });
  });

  it("leaves out regions that take nothing new, and refuses when none is left", () => {
    const decision = decideTargets([region("eu"), region("us", { canSchedule: false })], node);
    expect(decision).toMatchObject({ kind: "targets", targets: [{ region: "eu" }], warnings: [expect.stringContaining('"us"')] });
    expect(decideTargets([region("us", { canSchedule: false })], node)).toEqual({
      kind: "refuse",
      violations: [NO_REGIONS],
    });
    expect(decideTargets([], node)).toEqual({ kind: "refuse", violations: [NO_REGIONS] });
  });

  it("must hold the default region, where runs go that name none", () => {
    expect(decideTargets([region("us")], node)).toEqual({
      kind: "refuse",
      violations: ['The default region "eu" is not among the regions of this environment. Add it, or make another region the default.'],
    });
  });

  it("95: waits for agents, naming the region without one, but not when something else is wrong anyway", () => {
    expect(decideTargets([region("eu", { agents: [] })], node)).toEqual({
      kind: "wait",
      violations: ['Region "eu": no agent has reported within the last 60 seconds.'],
    });
    expect(decideTargets([region("eu", { agents: [] }), region("us", { replicas: 0 })], node)).toMatchObject({
      kind: "refuse",
      violations: { length: 2 },
    });
    expect(decideTargets([region("eu")], bun)).toMatchObject({
      kind: "refuse",
      violations: [expect.stringContaining("--runtime bun=/path/to/bun")],
    });
    expect(decideTargets([region("eu", { agents: [{ platform: "linux", packages: ["bun"] }] })], bun).kind).toBe("targets");
  });
});

describe("errors in the journal", () => {
  it("come back with code, text, causes and parts", () => {
    const cause = new DeployError("build_failed", "no space", { stderr: "ENOSPC", cause: new Error("disk") });
    const revived = reviveError(
      JSON.parse(JSON.stringify(storeError(new AggregateError([cause, new Error("end-write")], "no space"))))
    ) as AggregateError;
    expect(revived.name).toBe("AggregateError");
    expect(codeOf(revived)).toBe("build_failed");
    expect(fullText(revived)).toBe(fullText(new AggregateError([cause, new Error("end-write")], "no space")));
  });

  it("tells a database that is away from one that says no", () => {
    expect(isConnectionLoss(Object.assign(new Error("x"), { code: "ECONNREFUSED" }))).toBe(true);
    expect(isConnectionLoss(Object.assign(new Error("x"), { code: "57P01" }))).toBe(true);
    expect(isConnectionLoss(new Error("Connection terminated unexpectedly"))).toBe(true);
    expect(isConnectionLoss(Object.assign(new Error("x"), { code: "23505" }))).toBe(false);
  });

  it("are tried again, except those of a rule", async () => {
    let calls = 0;
    const flaky = () => (++calls < 3 ? Promise.reject(new Error("flaky")) : Promise.resolve("done"));
    expect(unwrap(await attempt(open, flaky, 5))).toBe("done");
    calls = 0;
    const no = () => Promise.reject(new DeployError("build_failed", `call ${++calls}`));
    await expect(attempt(open, no, 5)).resolves.toMatchObject({ ok: false, error: { message: "call 1" } });
    calls = 0;
    const never = () => Promise.reject(new Error(`call ${++calls}`));
    await expect(attempt(open, never, 3)).resolves.toMatchObject({ ok: false, error: { message: "call 3" } });
  });
});

describe("compensations", () => {
  it("run in reverse", () => {
    const stack = new Compensations();
    for (const name of ["slot", "build", "topology"]) stack.push({ name, done: "", run: () => Promise.resolve() });
    expect(stack.reversed().map(({ name }) => name)).toEqual(["topology", "build", "slot"]);
  });
});
