/** Building and inspecting epochs of the queue index in Redis. */
import type { ExecutionState } from "../../runops/runStates";
import type { Redis } from "../../platform/redis.server";
import { anyEpochPattern, epochChannel, epochKeys, firstClaim, laneKey, laneRef, type EpochKeys } from "./keys";
import { EpochLostError, type EpochState, type IndexControl, type LoadRow, type SlotEntry } from "./control";
import { indexScripts, runScript, STALE } from "./scripts.server";
import { hasDeadline, holdsSlot } from "./slotRules";

export type EpochAdminDeps = {
  redis: Redis;
  /** Rejects when the connection is lost before the answer. */
  guard<T>(answer: Promise<T>): Promise<T>;
  namespace: string;
  /** The epoch that reads go to. */
  current(): number;
};

/** The part of `IndexControl` that needs nothing but Redis. */
export type EpochAdmin = Omit<IndexControl, "redisRunId" | "adopt" | "adopted" | "onSuspect">;

const LOAD_PER_CALL = 1_000;
const SCAN_COUNT = 1_000;
const READS_PER_TURN = 1_000;

/** Builds the administration of epochs over one connection. */
export function createEpochAdmin(deps: EpochAdminDeps): EpochAdmin {
  const { redis, namespace, guard } = deps;
  const keysOf = (epoch: number) => epochKeys(namespace, epoch);
  const keysNow = () => keysOf(deps.current());
  return {
    stateOf: async (epoch) => parseState(await guard(redis.get(keysOf(epoch).ready))),
    retire: async (epoch) => void (await guard(redis.del(keysOf(epoch).ready))),
    begin: (epoch) => guard(beginEpoch(redis, namespace, epoch)),
    load: (epoch, rows, deadlineOf) => guard(loadRows(redis, keysOf(epoch).ready, { epoch, rows, deadlineOf })),
    finish: (epoch, recheckFromMs) => guard(finishEpoch(redis, keysOf(epoch), { epoch, recheckFromMs })),
    announce: async (epoch) => void (await guard(redis.publish(epochChannel(namespace), String(epoch)))),
    unlinkOthers(epoch, signal) {
      const { prefix } = keysOf(epoch);
      const isOlder = (key: string) => !key.startsWith(prefix) && epochOf(key, namespace) < epoch;
      return guard(unlinkMatching(redis, isOlder, anyEpochPattern(namespace), signal));
    },
    slots: () => guard(readSlots(redis, keysNow())),
    beatRuns: () => guard(redis.zrange(keysNow().beats, 0, "-1")),
    holders: (runs) => guard(readHolders(redis, keysNow(), runs)),
    laneEntries: (signal) => readLanes(redis, `${keysNow().prefix}L:`, signal),
    async readMark(name) {
      const value = await guard(redis.get(keysNow()[name]));
      return value === null ? null : Number(value);
    },
    writeMark: async (name, ms) => void (await guard(redis.set(keysNow()[name], ms))),
  };
}

async function beginEpoch(redis: Redis, namespace: string, epoch: number): Promise<void> {
  const keys = epochKeys(namespace, epoch);
  await unlinkMatching(redis, (key) => key.startsWith(keys.prefix), anyEpochPattern(namespace));
  await redis.set(keys.claim, firstClaim(epoch));
  await redis.set(keys.ready, "building");
}

async function finishEpoch(redis: Redis, keys: EpochKeys, mark: { epoch: number; recheckFromMs: number }): Promise<void> {
  await redis.set(keys.recheck, mark.recheckFromMs);
  // XX: an epoch that another process has retired meanwhile stays retired.
  if ((await redis.set(keys.ready, "ready", "XX")) === null) throw new EpochLostError(mark.epoch);
  await redis.unlink(keys.gone);
}

async function readHolders(redis: Redis, keys: EpochKeys, runs: readonly { runId: string; envId: string }[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (let at = 0; at < runs.length; at += READS_PER_TURN) {
    const page = runs.slice(at, at + READS_PER_TURN);
    const values = await Promise.all(page.map((run) => redis.hget(keys.slots(run.envId), run.runId)));
    page.forEach((run, index) => {
      const value = values[index];
      if (value) found.set(run.runId, holderOf(value));
    });
  }
  return found;
}

function parseState(value: string | null): EpochState {
  return value === "ready" || value === "building" ? value : "absent";
}

function epochOf(key: string, namespace: string): number {
  const epoch = Number(key.slice(namespace.length + 1, key.indexOf(":", namespace.length + 1)));
  return Number.isInteger(epoch) ? epoch : Number.POSITIVE_INFINITY;
}

function holderOf(value: string): string {
  return value.slice(0, value.indexOf("|"));
}

type LoadInput = { epoch: number; rows: readonly LoadRow[]; deadlineOf: (state: ExecutionState) => number };

async function loadRows(redis: Redis, readyKey: string, input: LoadInput): Promise<void> {
  const known = input.rows.filter((row) => row.state === "QUEUED" || hasDeadline(row.state));
  const calls: Promise<unknown>[] = [];
  for (let at = 0; at < known.length; at += LOAD_PER_CALL) {
    const args = loadArguments(known.slice(at, at + LOAD_PER_CALL), input.deadlineOf);
    calls.push(runScript(redis, indexScripts.load, readyKey, args));
  }
  if ((await Promise.all(calls)).includes(STALE)) throw new EpochLostError(input.epoch);
}

/** Rows of one kind and lane go together: the script then writes a lane once. */
function loadArguments(rows: readonly LoadRow[], deadlineOf: LoadInput["deadlineOf"]): (string | number)[] {
  const groups = new Map<string, { head: string[]; rows: (string | number)[] }>();
  for (const row of rows) {
    const kind = row.state === "QUEUED" ? "queued" : holdsSlot(row.state) ? "slot" : "beat";
    const lane = laneKey(row.lane);
    const name = `${kind} ${lane}`;
    const group = groups.get(name) ?? { head: [kind, lane], rows: [] };
    group.rows.push(row.id, row.seq, kind === "queued" ? row.score : deadlineOf(row.state));
    groups.set(name, group);
  }
  return [...groups.values()].flatMap((group) => [...group.head, group.rows.length / 3, ...group.rows]);
}

async function readSlots(redis: Redis, keys: EpochKeys): Promise<SlotEntry[]> {
  const entries: SlotEntry[] = [];
  for (const envId of await redis.smembers(keys.slotEnvironments)) {
    const slots = await redis.hgetall(keys.slots(envId));
    for (const [runId, value] of Object.entries(slots)) {
      const holder = holderOf(value);
      entries.push({ envId, runId, holder, lane: laneRef(value.slice(holder.length + 1)) });
    }
  }
  return entries;
}

async function* readLanes(
  redis: Redis,
  prefix: string,
  signal: AbortSignal
): AsyncGenerator<{ lane: ReturnType<typeof laneRef>; runIds: string[] }> {
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, "MATCH", `${prefix}*`, "COUNT", SCAN_COUNT);
    cursor = next;
    for (const key of keys) {
      let inner = "0";
      do {
        const [nextInner, members] = await redis.zscan(key, inner, "COUNT", SCAN_COUNT);
        inner = nextInner;
        yield { lane: laneRef(key.slice(prefix.length)), runIds: members.filter((_, index) => index % 2 === 0) };
      } while (inner !== "0" && !signal.aborted);
    }
  } while (cursor !== "0" && !signal.aborted);
}

async function unlinkMatching(redis: Redis, wanted: (key: string) => boolean, pattern: string, signal?: AbortSignal): Promise<void> {
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, "MATCH", pattern, "COUNT", SCAN_COUNT);
    cursor = next;
    const doomed = keys.filter(wanted);
    if (doomed.length > 0) await redis.unlink(...doomed);
  } while (cursor !== "0" && !signal?.aborted);
}
