/** The run store over one database: batchers for the hot verbs, plain queries for the rest. */
import type { Clock } from "../../platform/clock";
import type { Logger } from "../../platform/logger";
import { Batcher, type BatcherOptions } from "../batcher";
import { classifyFailure } from "../failures";
import type { RunStore } from "../runStore";
import { asRetryable, createRunDatabase, type DatabaseOptions, type RunDatabase } from "./database.server";
import { readItems, readPlace, readRun } from "./details.server";
import { addTags, clearCascade, readCascades, resetIdempotencyKey, updateMetadata } from "./edits.server";
import { announceRebuild, bumpEpoch, finishRebuild, readEpoch, withLock } from "./epoch.server";
import { finishSize, runFinishGroup } from "./finish.server";
import { listRuns, readChildren } from "./lists.server";
import { readLive, runDequeueGroup, runStartGroup, runTransitionGroup } from "./moves.server";
import { readDue, readIndexed, readNextDue, readParked, readQueuedBetween, readQueuedInRegion, readVersionsInUse } from "./scans.server";
import { runTriggerGroup, triggerSize } from "./trigger.server";

export type RunStoreOptions = Omit<DatabaseOptions, "log"> & {
  /** Days that runs are kept; idempotency keys expire no later. Default 30. */
  retentionDays?: number;
  clock: Clock;
  log: Logger;
  /** Shape of the groups; defaults as in `Batcher`. */
  groups?: Pick<BatcherOptions<never, never>, "maxRows" | "maxBytes" | "inflight" | "maxQueued" | "maxQueuedBytes">;
};

/** A resident: a run store that owns its connections. */
export type ResidentStore = RunStore & {
  readonly database: RunDatabase;
  /** Answers what waits and is in flight, then closes the connections. Further calls fail. */
  stop(): Promise<void>;
};

const DEFAULT_RETENTION_DAYS = 30;

/** Builds the store of one database. Connects on first use. */
export function createRunStore(options: RunStoreOptions): ResidentStore {
  const { clock, log } = options;
  const db = createRunDatabase(options);
  const batchers = createBatchers(options, db);
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    await Promise.all(Object.values(batchers).map((batcher) => batcher.drain()));
    await db.close();
  };
  return {
    database: db,
    stop: () => (stopped ??= stop()),

    trigger: (run) => batchers.trigger.call(run),
    dequeue: (request) => batchers.dequeue.call(request),
    start: (request) => batchers.start.call(request),
    finish: (request) => batchers.finish.call(request),
    transition: (request) => (request.epoch === null ? batchers.transition : batchers.fencedTransition).call(request),

    getLive: (ids) => readLive(db.read, ids).catch((error: unknown) => Promise.reject(asRetryable(error, log))),
    getRun: (envId, id) => readRun(db, envId, id),
    getRuns: (envId, ids) => readItems(db, envId, ids),
    placeOf: (id) => readPlace(db, id),
    listRuns: (filter) => listRuns(db, filter),
    childrenOf: (envId, id, limit) => readChildren(db, envId, id, limit),

    addTags: (envId, id, tags, max) => addTags(db, envId, id, { add: tags, max }),
    updateMetadata: (envId, update) => updateMetadata(db, envId, { ...update, nowMs: clock.now() }),
    resetIdempotencyKey: (envId, task, key) => resetIdempotencyKey(db, { envId, task, key }, new Date(clock.now())),
    pendingCascades: (limit) => readCascades(db, limit),
    clearCascade: (runId) => clearCascade(db, runId),

    dueRuns: (after, until, limit) => readDue(db, after, until, limit),
    nextDueAt: (after) => readNextDue(db, after),
    pendingVersionRuns: (envId, after, limit) => readParked(db, envId, after, limit),

    versionsInUse: (versionIds, since) => readVersionsInUse(db, versionIds, since),
    queuedInRegion: (region, after, limit) => readQueuedInRegion(db, region, after, limit),
    scanIndexed: (afterId, limit) => readIndexed(db, null, afterId, limit),
    indexedSince: (since, afterId, limit) => readIndexed(db, since, afterId, limit),
    queuedCreatedBetween: (from, to, limit) => readQueuedBetween(db, from, to, limit),

    readEpoch: () => readEpoch(db),
    announceRebuild: (owner) => announceRebuild(db, owner),
    bumpEpoch: (owner, redisRunId, atLeast) => bumpEpoch(db, owner, redisRunId, atLeast ?? 0),
    finishRebuild: (epoch) => finishRebuild(db, epoch),
    withLock: (name, work) => withLock(db, name, work),

    ping: async () => void (await db.query("SELECT 1")),
  };
}

function createBatchers(options: RunStoreOptions, db: RunDatabase) {
  const { log } = options;
  const common = { ...options.groups, classify: classifyFailure, now: () => options.clock.now(), log };
  const keyOf = (request: { runId: string }) => request.runId;
  const retentionDays = options.retentionDays ?? DEFAULT_RETENTION_DAYS;
  const transition = (name: string) =>
    new Batcher({
      ...common,
      name,
      keyOf,
      run: (group: readonly Parameters<RunStore["transition"]>[0][], context) => runTransitionGroup({ pool: db.move }, group, context),
    });
  return {
    trigger: new Batcher({
      ...common,
      name: "trigger",
      sizeOf: triggerSize,
      run: (group: readonly Parameters<RunStore["trigger"]>[0][], context) =>
        runTriggerGroup({ pool: db.trigger, retentionDays }, group, context),
    }),
    dequeue: new Batcher({
      ...common,
      name: "dequeue",
      keyOf,
      run: (group: readonly Parameters<RunStore["dequeue"]>[0][], context) => runDequeueGroup({ pool: db.dequeue }, group, context),
    }),
    start: new Batcher({
      ...common,
      name: "start",
      keyOf,
      run: (group: readonly Parameters<RunStore["start"]>[0][], context) => runStartGroup({ pool: db.move }, group, context),
    }),
    finish: new Batcher({
      ...common,
      name: "finish",
      keyOf,
      sizeOf: finishSize,
      run: (group: readonly Parameters<RunStore["finish"]>[0][], context) => runFinishGroup({ pool: db.move }, group, context),
    }),
    transition: transition("transition"),
    fencedTransition: transition("fenced-transition"),
  };
}
