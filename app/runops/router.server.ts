/**
 * The run store over several databases. One table says how each verb finds its database; with one resident the topology
 * hands out the resident itself and none of this runs.
 */
import { idMillis, residencyOf } from "../utils/ids";
import type { DueRun, EpochRow, IndexedRun, RunListItem, RunPage, RunStore } from "./runStore";

/** Residents by the shape of the ids that they hold. */
export type Residents = { control: RunStore; runOps: RunStore };

type Verb = keyof RunStore;
type Args<V extends Verb> = Parameters<RunStore[V]>;
type Result<V extends Verb> = Awaited<ReturnType<RunStore[V]>>;
type Route<V extends Verb> =
  /** The database that the shape of one id names. */
  | { kind: "byId"; id(...args: Args<V>): string }
  /** Each database gets the ids of its shape (the argument at `at`); the maps are joined. */
  | { kind: "bySet"; at: number; merge(results: Result<V>[]): Result<V> }
  /** Every database answers. */
  | { kind: "fanOut"; merge(results: Result<V>[], ...args: Args<V>): Result<V> }
  /** The control database alone. */
  | { kind: "control" }
  /** More than one step. */
  | { kind: "steps"; run(all: readonly RunStore[], ...args: Args<V>): Promise<Result<V>> };

/** Every verb of the port: one without a route does not compile. */
const ROUTES: { [V in Verb]: Route<V> } = {
  trigger: { kind: "byId", id: (run) => run.id },
  dequeue: { kind: "byId", id: (request) => request.runId },
  start: { kind: "byId", id: (request) => request.runId },
  finish: { kind: "byId", id: (request) => request.runId },
  transition: { kind: "byId", id: (request) => request.runId },

  getLive: { kind: "bySet", at: 0, merge: joinMaps },
  getRun: { kind: "byId", id: (_envId, id) => id },
  getRuns: { kind: "bySet", at: 1, merge: joinMaps },
  placeOf: { kind: "byId", id: (id) => id },
  listRuns: {
    kind: "fanOut",
    merge: (pages, filter) =>
      mergePages(pages, { older: filter.before === undefined, pageSize: filter.pageSize, cursor: filter.before ?? filter.after }),
  },
  childrenOf: { kind: "byId", id: (_envId, id) => id },

  addTags: { kind: "byId", id: (_envId, id) => id },
  updateMetadata: { kind: "byId", id: (_envId, update) => update.runId },
  resetIdempotencyKey: { kind: "fanOut", merge: (holders) => holders.find((id) => id !== null) ?? null },
  pendingCascades: { kind: "fanOut", merge: (lists, limit) => lists.flat().slice(0, limit) },
  clearCascade: { kind: "byId", id: (runId) => runId },

  dueRuns: { kind: "fanOut", merge: (lists, _after, _until, limit) => mergeSorted(lists, dueFirst, limit) },
  nextDueAt: { kind: "fanOut", merge: (times) => times.reduce((a, b) => (a === null ? b : b === null || a <= b ? a : b), null) },
  pendingVersionRuns: { kind: "fanOut", merge: (lists, _envId, _after, limit) => mergeSorted(lists, byIdOrder, limit) },

  versionsInUse: { kind: "fanOut", merge: (sets) => new Set(sets.flatMap((set) => [...set])) },
  queuedInRegion: { kind: "fanOut", merge: (lists, _region, _after, limit) => mergeSorted(lists, byIdOrder, limit) },
  scanIndexed: { kind: "fanOut", merge: (lists, _after, limit) => mergeSorted(lists, byIdOrder, limit) },
  indexedSince: { kind: "fanOut", merge: (lists, _since, _after, limit) => mergeSorted(lists, byIdOrder, limit) },
  queuedCreatedBetween: { kind: "fanOut", merge: (lists, _from, _to, limit) => lists.flat().slice(0, limit) },

  readEpoch: { kind: "fanOut", merge: mergeEpochs },
  announceRebuild: { kind: "fanOut", merge: () => undefined },
  bumpEpoch: { kind: "steps", run: bumpAll },
  finishRebuild: { kind: "fanOut", merge: () => undefined },
  withLock: { kind: "control" },
  ping: { kind: "fanOut", merge: () => undefined },
};

/** Verbs in the table, for a test that none is unrouted. */
const ROUTED_VERBS = Object.keys(ROUTES) as Verb[];

/** One store over the residents. Ids of no shape go to the control database, which knows none of them. */
export function createRouter(residents: Residents): RunStore {
  // One database may hold both shapes; it is asked once.
  const all = [...new Set([residents.runOps, residents.control])];
  const owner = (id: string) => (residencyOf(id) === "run-ops" ? residents.runOps : residents.control);
  const verbs = ROUTED_VERBS.map((verb) => [verb, route(verb, { all, owner, control: residents.control })] as const);
  // Built from the table key by key, which the compiler cannot follow; the table itself is checked verb by verb.
  return Object.fromEntries(verbs) as unknown as RunStore;
}

type Targets = { all: readonly RunStore[]; owner(id: string): RunStore; control: RunStore };
type AnyVerb = (...args: unknown[]) => Promise<unknown>;
type AnyRoute = {
  kind: Route<Verb>["kind"];
  at: number;
  id(...args: unknown[]): string;
  merge(results: unknown[], ...args: unknown[]): unknown;
  run(all: readonly RunStore[], ...args: unknown[]): Promise<unknown>;
};

function route(verb: Verb, targets: Targets): AnyVerb {
  const entry = ROUTES[verb] as unknown as AnyRoute;
  const call = (store: RunStore, args: unknown[]) => (store[verb] as unknown as AnyVerb)(...args);
  switch (entry.kind) {
    case "byId":
      return (...args) => call(targets.owner(entry.id(...args)), args);
    case "control":
      return (...args) => call(targets.control, args);
    case "steps":
      return (...args) => entry.run(targets.all, ...args);
    case "bySet":
      return async (...args) => {
        const ids = args[entry.at] as readonly string[];
        const parts = targets.all.map((store) => ({ store, ids: ids.filter((id) => targets.owner(id) === store) }));
        const asked = parts.filter((part) => part.ids.length > 0);
        return entry.merge(await Promise.all(asked.map((part) => call(part.store, args.with(entry.at, part.ids)))));
      };
    case "fanOut":
      return async (...args) => entry.merge(await Promise.all(targets.all.map((store) => call(store, args))), ...args);
  }
}

function joinMaps<K, V>(maps: Map<K, V>[]): Map<K, V> {
  return new Map(maps.flatMap((map) => [...map]));
}

function mergeSorted<T>(lists: readonly T[][], order: (a: T, b: T) => number, limit: number): T[] {
  return lists.flat().sort(order).slice(0, limit);
}

function dueFirst(a: DueRun, b: DueRun): number {
  return (a.dueAt?.getTime() ?? 0) - (b.dueAt?.getTime() ?? 0) || byIdOrder(a, b);
}

function byIdOrder(a: DueRun | IndexedRun, b: DueRun | IndexedRun): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** Position of a run in a list: its time, then its id. */
function position(id: string): [number, string] {
  return [idMillis(id) ?? 0, id];
}

function newerFirst(a: string, b: string): number {
  const [aMs, aId] = position(a);
  const [bMs, bId] = position(b);
  return bMs - aMs || (aId < bId ? 1 : aId > bId ? -1 : 0);
}

type Walk = { older: boolean; pageSize: number; cursor: string | undefined };

/**
 * One page of several. Each database's page reaches to its own onward cursor and nothing is known beyond it, so the
 * merged page ends at the nearest of them.
 */
function mergePages(pages: readonly RunPage[], walk: Walk): RunPage {
  const order = walk.older ? newerFirst : (a: string, b: string) => newerFirst(b, a);
  const reaches = pages.map((page) => (walk.older ? page.next : page.previous)).filter((id) => id !== null);
  const reach = reaches.sort(order)[0] ?? null;
  const found = pages
    .flatMap((page) => page.runs)
    .sort((a, b) => order(a.header.id, b.header.id))
    .filter((run) => reach === null || order(run.header.id, reach) <= 0);
  const runs = found.slice(0, walk.pageSize);
  const onward = found.length > walk.pageSize ? lastId(runs) : reach;
  const back = walk.cursor === undefined ? null : (runs[0]?.header.id ?? walk.cursor);
  return walk.older ? { runs, next: onward, previous: back } : { runs: runs.reverse(), next: back, previous: onward };
}

function lastId(runs: readonly RunListItem[]): string | null {
  return runs.at(-1)?.header.id ?? null;
}

function mergeEpochs(rows: readonly EpochRow[]): EpochRow {
  const epoch = Math.max(...rows.map((row) => row.epoch));
  const agree = rows.every((row) => row.epoch === epoch && row.redisRunId === rows[0]?.redisRunId);
  // Databases that disagree were left so by a rebuild that died half-way: another one is needed.
  return { epoch, redisRunId: agree ? (rows[0]?.redisRunId ?? null) : null, rebuilding: !agree || rows.some((row) => row.rebuilding) };
}

async function bumpAll(all: readonly RunStore[], owner: string, redisRunId: string, atLeast = 0): Promise<EpochRow> {
  const rows = await Promise.all(all.map((store) => store.readEpoch()));
  const target = Math.max(atLeast, ...rows.map((row) => row.epoch + 1));
  return mergeEpochs(await Promise.all(all.map((store) => store.bumpEpoch(owner, redisRunId, target))));
}
