/**
 * Which route a path belongs to, by Remix's rules, compiled once. Remix flattens and ranks the whole tree on every call;
 * a server that answers thousands of requests a second cannot. A property test holds the two side by side.
 */
export type RouteDefinition = {
  id: string;
  parentId?: string;
  path?: string;
  index?: boolean;
  caseSensitive?: boolean;
};

export type RouteParams = Record<string, string>;
export type RouteMatch<R> = { route: R; params: RouteParams };
export type RouteMatcher<R> = (pathname: string) => RouteMatch<R> | null;

/** Weights of Remix's ranking: a longer and more literal path wins. */
const SCORE = { static: 10, parameter: 3, index: 2, empty: 1, splat: -2 } as const;
const PARAMETER = /^:[\w-]+$/;
const ASCII = /^[\u0020-\u007e]*$/;
const NOT_IN_SPLAT = /[\n\r\u2028\u2029]/;

type Segment = { parameter: string } | { literal: string; lower: string | null };
type Branch<R> = { route: R; segments: readonly Segment[]; splat: boolean; score: number; indexes: readonly number[] };
type Parent = { path: string; indexes: readonly number[]; caseSensitive: boolean };

/** Compiles the tree. Throws on a path that Remix accepts and this matcher does not (`/:id.json`). */
export function compileRoutes<R extends RouteDefinition>(routes: readonly R[]): RouteMatcher<R> {
  const children = new Map<string, R[]>();
  for (const route of routes) {
    const key = route.parentId ?? "";
    children.set(key, [...(children.get(key) ?? []), route]);
  }
  const branches: Branch<R>[] = [];
  flatten(children, "", { path: "", indexes: [], caseSensitive: false }, branches);
  branches.sort((a, b) => b.score - a.score || compareSiblings(a.indexes, b.indexes));
  return matcherOf(branches);
}

function flatten<R extends RouteDefinition>(children: ReadonlyMap<string, R[]>, parentId: string, parent: Parent, out: Branch<R>[]): void {
  (children.get(parentId) ?? []).forEach((route, position) => {
    for (const relative of variants(route.path)) {
      const here: Parent = {
        path: joinPaths(parent.path, relative),
        indexes: [...parent.indexes, position],
        caseSensitive: route.caseSensitive === true,
      };
      flatten(children, route.id, here, out);
      if (route.path != null || route.index) out.push(branchOf(route, here));
    }
  });
}

/** Every form of a path with optional segments, the fullest first. */
function variants(path: string | undefined): string[] {
  return path?.includes("?") ? explode(path.split("/")) : [path ?? ""];
}

function explode([first = "", ...rest]: readonly string[]): string[] {
  const optional = first.endsWith("?");
  const required = first.replace(/\?$/, "");
  if (rest.length === 0) return optional ? [required, ""] : [required];
  const tails = explode(rest);
  const withFirst = tails.map((tail) => (tail === "" ? required : `${required}/${tail}`));
  return optional ? [...withFirst, ...tails] : withFirst;
}

function joinPaths(parent: string, child: string): string {
  return `${parent}/${child}`.replace(/\/\/+/g, "/");
}

function branchOf<R extends RouteDefinition>(route: R, at: Parent): Branch<R> {
  const parts = at.path.split("/").filter(Boolean);
  const splat = parts.at(-1) === "*";
  const literal = splat ? parts.slice(0, -1) : parts;
  return {
    route,
    segments: literal.map((part) => segmentOf(part, at)),
    splat,
    score: scoreOf(at.path, route.index === true),
    indexes: at.indexes,
  };
}

function segmentOf(part: string, at: Parent): Segment {
  if (PARAMETER.test(part)) return { parameter: part.slice(1) };
  if (part.includes(":") || !ASCII.test(part))
    throw new Error(`Route ${at.path}: the segment "${part}" is not supported. Use a whole-segment parameter or plain ASCII.`);
  return { literal: part, lower: at.caseSensitive ? null : part.toLowerCase() };
}

function scoreOf(path: string, index: boolean): number {
  const segments = path.split("/");
  const start = segments.length + (segments.includes("*") ? SCORE.splat : 0) + (index ? SCORE.index : 0);
  return segments.reduce((score, segment) => score + weightOf(segment), start);
}

function weightOf(segment: string): number {
  if (segment === "*") return 0;
  if (PARAMETER.test(segment)) return SCORE.parameter;
  return segment === "" ? SCORE.empty : SCORE.static;
}

/** Siblings keep the order in which they were declared; others rank equal, and the sort is stable. */
function compareSiblings(a: readonly number[], b: readonly number[]): number {
  const siblings = a.length === b.length && a.slice(0, -1).every((value, position) => value === b[position]);
  return siblings ? (a.at(-1) ?? 0) - (b.at(-1) ?? 0) : 0;
}

/** Ranked candidates by number of segments, so that a request compares with a handful of routes. */
function matcherOf<R>(branches: readonly Branch<R>[]): RouteMatcher<R> {
  const longest = Math.max(0, ...branches.map((branch) => branch.segments.length)) + 1;
  const bySize = Array.from({ length: longest + 1 }, (_, size) =>
    branches.filter((branch) => branch.segments.length === size || (branch.splat && branch.segments.length < size))
  );
  return (pathname) => {
    const decoded = decodePath(pathname);
    const parts = splitPath(decoded);
    for (const branch of bySize[Math.min(parts.length, longest)] ?? []) {
      const params = matchBranch(branch, parts, decoded);
      if (params) return { route: branch.route, params };
    }
    return null;
  };
}

/** Segments without the leading slash and without trailing ones; an empty segment in the middle stays and matches nothing. */
function splitPath(path: string): string[] {
  let end = path.length;
  while (end > 0 && path.charCodeAt(end - 1) === 47) end--;
  if (end === 0) return [];
  return path.slice(path.startsWith("/") ? 1 : 0, end).split("/");
}

function matchBranch<R>(branch: Branch<R>, parts: readonly string[], decoded: string): RouteParams | null {
  const { segments } = branch;
  if (!branch.splat && parts.length !== segments.length) return null;
  for (let i = 0; i < segments.length; i++) {
    if (!accepts(segments[i], parts[i])) return null;
  }
  const params: RouteParams = {};
  if (branch.splat) {
    const rest = splatOf(decoded, segments.length);
    if (NOT_IN_SPLAT.test(rest)) return null;
    params["*"] = unescapeSlash(rest);
  }
  segments.forEach((segment, i) => {
    if ("parameter" in segment) params[segment.parameter] = unescapeSlash(parts[i] ?? "");
  });
  return params;
}

function accepts(segment: Segment | undefined, part: string | undefined): boolean {
  if (segment === undefined || !part) return false;
  if ("parameter" in segment) return true;
  if (segment.literal === part) return true;
  return segment.lower !== null && part.length === segment.lower.length && ASCII.test(part) && part.toLowerCase() === segment.lower;
}

/** What follows the first `skip` segments, without the slash that ends them. */
function splatOf(decoded: string, skip: number): string {
  let at = 0;
  for (let i = 0; i < skip; i++) {
    at = decoded.indexOf("/", at + 1);
    if (at < 0) return "";
  }
  return decoded.slice(at + 1);
}

/** A slash that was escaped in the URL must not split a segment; it comes back in the parameter. */
function decodePath(path: string): string {
  if (!path.includes("%")) return path;
  try {
    return path
      .split("/")
      .map((part) => decodeURIComponent(part).replace(/\//g, "%2F"))
      .join("/");
  } catch {
    return path;
  }
}

function unescapeSlash(value: string): string {
  return value.includes("%2F") ? value.replace(/%2F/g, "/") : value;
}
