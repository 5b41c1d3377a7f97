/**
 * The port to the databases that hold runs. One resident per database implements it, and a router over residents; both
 * pass `test/contract/runStore.ts`. Every verb takes one request: residents batch concurrent requests of a verb into one
 * statement (group commit). Ids here are bodies without prefix. All writes are compare-and-set on `(run id, seq)`.
 */
import type { ExecutionState, FinalRunStatus, RunStatus } from "./runStates";

/** How a payload or output is encoded on the wire; stored and handed back verbatim. */
export type PacketType = string;

/** Where a run queues: runs of one lane start in score order under one limit. */
export type Lane = { envId: string; queue: string; concurrencyKey: string | null; region: string };

/** A retry policy as tasks declare it. */
export type RetryConfig = {
  maxAttempts?: number;
  factor?: number;
  minTimeoutInMs?: number;
  maxTimeoutInMs?: number;
  randomize?: boolean;
  outOfMemory?: { machine?: string };
};

/** What a trigger asked for that is not a column of its own; written once, with the run (`run.opts`, JSON). */
export type RunOptions = {
  /** Seconds to live while queued; 0 or absent: for ever. */
  ttlSeconds?: number;
  /** The `ttl` text as the caller wrote it, shown by the API. */
  ttl?: string;
  /** ISO date until which the run was delayed. */
  delayUntil?: string;
  /** Seconds by which the run moves ahead in its lane. */
  priority?: number;
  machine?: string;
  maxAttempts?: number;
  /** Seconds of CPU-active time an attempt may take; enforced by the runner. */
  maxDuration?: number;
  lockToVersion?: string;
  /** The run waits for the version that was deployed with this external id. */
  externalDeploymentId?: string;
  /** The region that the trigger named: such a run is never moved to another one. */
  region?: string;
  /** The user's idempotency key before hashing, and its scope, for display. */
  idempotencyKeyOptions?: { key: string; scope: string };
  triggerSource?: "sdk" | "cli" | "api" | "dashboard" | "schedule";
  triggerFunction?: "trigger" | "triggerAndWait" | "batchTrigger" | "batchTriggerAndWait";
  realtimeStreamsVersion?: string;
};

/** The insert-only header of a run. */
export type RunHeader = {
  id: string;
  createdAt: Date;
  envId: string;
  task: string;
  queue: string;
  concurrencyKey: string | null;
  region: string;
  payload: string | null;
  payloadType: PacketType;
  /** 32 hex characters. */
  traceId: string;
  /** 16 hex characters: the run's own span, synthesised from the run, never stored as an event. */
  spanId: string;
  parentSpanId: string | null;
  /** W3C headers handed to the worker beside `traceparent` (for example `tracestate`, `baggage`, external context). */
  traceContext: Record<string, unknown> | null;
  tags: string[];
  rootId: string | null;
  parentId: string | null;
  depth: number;
  batchId: string | null;
  batchIndex: number | null;
  idempotencyKey: string | null;
  scheduleId: string | null;
  replayOf: string | null;
  isTest: boolean;
  options: RunOptions;
};

/** A run to create. Its time is inside its id. */
export type NewRun = Omit<RunHeader, "createdAt"> & {
  initial: { state: "QUEUED" | "DELAYED" | "RUN_CREATED"; status: "PENDING" | "DELAYED" | "PENDING_VERSION"; reason?: string };
  /** Order in the lane: milliseconds of the queue timestamp minus priority in milliseconds; smaller first. */
  score: number;
  /** The run's one pending timer: delay, TTL or version deadline. */
  dueAt: Date | null;
  /** Set when the run is pinned to a worker version (`lockToVersion`, child of a waiting parent). */
  versionId: string | null;
  metadata: string | null;
  metadataType: string;
  /** Claimed in the same statement; a live claim of another run answers that run. `expiresAt` in the future. */
  idempotency: { key: string; expiresAt: Date } | null;
  /** 16-byte hash of environment + path + `x-trigger-request-idempotency-key`; a repeat answers the first run. */
  requestHash: Buffer | null;
  /** One-time token hash to consume with this run, and when it may be forgotten. */
  oneTimeToken: { hash: Buffer; expiresAt: Date } | null;
};

/** What a trigger led to. */
export type TriggerOutcome =
  | { kind: "created"; runId: string }
  | { kind: "cached"; runId: string }
  | { kind: "replayed"; runId: string }
  | { kind: "token-used" }
  /** The parent was cancelled before: the run exists and is final (CANCELED). */
  | { kind: "created-canceled"; runId: string };

/** The part of a live row that engine decisions need. */
export type LiveRun = {
  id: string;
  envId: string;
  lane: Lane;
  state: ExecutionState;
  status: RunStatus;
  seq: number;
  /** Seq at which the current attempt started; null before the first start. */
  attemptSeq: number | null;
  attempt: number;
  /** Times the run was handed out without starting. */
  deliveries: number;
  score: number;
  versionId: string | null;
  machine: string | null;
  /** True after an attempt ended and before the next start: a repeat of that completion is answered, not applied. */
  attemptClosed: boolean;
  dueAt: Date | null;
  queuedAt: Date | null;
  startedAt: Date | null;
  updatedAt: Date;
  /** Milliseconds and cents of the attempts that have ended. */
  usageMs: number;
  costInCents: number;
  task: string;
  parentId: string | null;
  /** The millisecond inside the id. */
  createdAt: Date;
};

/** One claimed run to move QUEUED → PENDING_EXECUTING. */
export type DequeueRequest = {
  runId: string;
  epoch: number;
  /** Used when the run is not locked yet. Null: no version is current, and the run is handed over without one. */
  currentVersionId: string | null;
  /** Dev: lock to the polling worker even when locked before (its older workers are gone). */
  relock: boolean;
};

/** `gone`: not QUEUED any more, give the slot back. `stale-epoch`: the index was rebuilt, the claim is void. */
export type DequeueOutcome =
  | { kind: "dequeued"; live: LiveRun; header: Omit<RunHeader, "payload"> }
  | { kind: "gone" }
  | { kind: "stale-epoch" };

/** Start an attempt. `replayKey`: identity of the caller's request, so that a repeat gets the same answer. */
export type StartRequest = { runId: string; seq: number; replayKey: string | null; maxAttempt: number };

export type StartOutcome =
  | { kind: "started" | "replayed"; live: LiveRun; header: RunHeader; metadata: string | null; metadataType: string }
  | { kind: "refused"; current: LiveRun | null };

/** An error as stored: JSON text of the wire error, already cleaned and cut. */
export type StoredError = string;

/** Finish a run. `quoted` null: decided by the server (stall, cancel deadline), guarded by `seq` instead. */
export type FinishRequest = {
  runId: string;
  epoch: number;
  guard: { quoted: number } | { seq: number };
  status: FinalRunStatus;
  output: string | null;
  outputType: PacketType;
  error: StoredError | null;
  /** Milliseconds of this attempt, added to the run's usage (clamped to int4). */
  usageMs: number;
  /** Dollars in cents of this attempt. */
  costInCents: number;
  /** Metadata after the completion's operations; absent: unchanged. `expectVersion` guards it. */
  metadata?: { text: string; expectVersion: number };
  /** Free the idempotency key (failed runs do; completed and cancelled ones keep theirs). */
  freeIdempotencyKey: boolean;
};

export type FinishOutcome =
  /** `heldSeq`: the seq to name when releasing the slot. Cancelled meanwhile: `status` is CANCELED. */
  | { kind: "finished"; live: LiveRun; status: FinalRunStatus; finalSeq: number }
  | { kind: "replayed"; result: RunResult }
  | { kind: "attempt-closed"; current: LiveRun }
  | { kind: "refused"; current: LiveRun | null; result: RunResult | null }
  | { kind: "metadata-conflict" }
  | { kind: "stale-epoch" };

/** A conditional change of a live run that does not finish it. Only rows at `seq` and in one of `from` change. */
export type TransitionRequest = {
  runId: string;
  /** Needed when the change takes or frees a slot; null otherwise. */
  epoch: number | null;
  seq: number;
  from: readonly ExecutionState[];
  to: { state: ExecutionState; status: RunStatus };
  set: {
    dueAt?: Date | null;
    score?: number;
    /** Another region hands the run out from now on: its lane changes, so take it out of the old one in the index. */
    region?: string;
    versionId?: string | null;
    machine?: string | null;
    /** Error of the failed attempt, kept for display until the next outcome. */
    lastError?: StoredError | null;
    reason?: string | null;
    attemptClosed?: boolean;
    addUsageMs?: number;
    addCostInCents?: number;
    resetDeliveries?: boolean;
    queuedNow?: boolean;
  };
  /** False for RETRY_WAIT → QUEUED: the snapshot that users see stays the same. */
  bumpSeq: boolean;
};

export type TransitionOutcome = { kind: "changed"; live: LiveRun } | { kind: "missed"; current: LiveRun | null } | { kind: "stale-epoch" };

/** The final row of a run. */
export type RunResult = {
  id: string;
  envId: string;
  task: string;
  status: FinalRunStatus;
  completedAt: Date;
  queuedAt: Date | null;
  startedAt: Date | null;
  executedAt: Date | null;
  attempts: number;
  usageMs: number;
  costInCents: number;
  versionId: string | null;
  machine: string | null;
  output: string | null;
  outputType: PacketType;
  error: StoredError | null;
  metadata: string | null;
  metadataType: string;
  metadataVersion: number;
  attemptSeq: number | null;
  finalSeq: number;
  updatedAt: Date;
};

/** One transition of a run, decoded from its history. */
export type Transition = { seq: number; state: ExecutionState; at: Date; attempt: number };

/** Everything the API and the run page show of one run. */
export type RunDetail = {
  header: RunHeader;
  /** Stored status now, live or final. */
  status: RunStatus;
  state: ExecutionState;
  seq: number;
  attempt: number;
  versionId: string | null;
  machine: string | null;
  dueAt: Date | null;
  queuedAt: Date | null;
  startedAt: Date | null;
  executedAt: Date | null;
  updatedAt: Date;
  usageMs: number;
  costInCents: number;
  /** Why it waits (`PENDING_VERSION`), or null. */
  reason: string | null;
  lastError: StoredError | null;
  metadata: string | null;
  metadataType: string;
  metadataVersion: number;
  result: RunResult | null;
  history: Transition[];
};

/** Row of a list: no payload, output or history. */
export type RunListItem = Omit<RunDetail, "history" | "lastError" | "result" | "header"> & {
  header: Omit<RunHeader, "payload">;
  completedAt: Date | null;
  error: StoredError | null;
};

/** A page of runs of one environment, newest first. Filters without an index scan at most 20,000 rows a request. */
export type RunFilter = {
  envId: string;
  statuses?: RunStatus[];
  tasks?: string[];
  versionIds?: string[];
  /** Runs that carry all of them. */
  tags?: string[];
  queues?: string[];
  machines?: string[];
  regions?: string[];
  batchId?: string;
  scheduleId?: string;
  parentId?: string;
  rootOnly?: boolean;
  isTest?: boolean;
  createdFrom?: Date;
  createdTo?: Date;
  pageSize: number;
  after?: string;
  before?: string;
};
/** `next`: id to pass as `after` for older runs; `previous`: id to pass as `before` for newer ones. */
export type RunPage = { runs: RunListItem[]; next: string | null; previous: string | null };

/** Environment of a run, and the region that hands it out (of a finished run: the one that it was triggered for). */
export type RunPlace = { envId: string; region: string };

/** A row that the index must know: queued runs, and runs that hold a slot. */
export type IndexedRun = { id: string; lane: Lane; score: number; state: ExecutionState; seq: number; updatedAt: Date };

/** A run whose `due_at` has passed. */
export type DueRun = LiveRun & { options: RunOptions };

export type MetadataUpdate = { runId: string; text: string; expectVersion: number };

export interface RunStore {
  /** Create a run, or answer the one that the idempotency key, request hash or parent decides. Committed on return. */
  trigger(run: NewRun): Promise<TriggerOutcome>;
  dequeue(request: DequeueRequest): Promise<DequeueOutcome>;
  start(request: StartRequest): Promise<StartOutcome>;
  finish(request: FinishRequest): Promise<FinishOutcome>;
  transition(request: TransitionRequest): Promise<TransitionOutcome>;

  /** Live rows by id; absent when final or unknown. */
  getLive(ids: readonly string[]): Promise<Map<string, LiveRun>>;
  /** One run of `envId`, live or final; null when it does not exist there. Reads the primary. */
  getRun(envId: string, id: string): Promise<RunDetail | null>;
  /** As `getRun` for several ids, without payload and history; missing ones are absent. */
  getRuns(envId: string, ids: readonly string[]): Promise<Map<string, RunListItem>>;
  /** Whose a run is and where it is handed out, for callers that know only its id; null for an unknown one. */
  placeOf(id: string): Promise<RunPlace | null>;
  listRuns(filter: RunFilter): Promise<RunPage>;
  /** Direct children, oldest first, at most `limit`. */
  childrenOf(envId: string, id: string, limit: number): Promise<RunListItem[]>;

  /** Union with the run's tags, at most `max` in all; null when it would exceed, undefined when the run is unknown. */
  addTags(envId: string, id: string, tags: readonly string[], max: number): Promise<string[] | null | undefined>;
  /** Compare-and-set of the metadata; false on a version miss. */
  updateMetadata(envId: string, update: MetadataUpdate): Promise<boolean>;
  /** Free the idempotency key of a task; the id of the run that held it, or null. */
  resetIdempotencyKey(envId: string, task: string, key: string): Promise<string | null>;
  /**
   * Runs that became CANCELED or PENDING_CANCEL and whose children are still to be cancelled, oldest first. The cancelling
   * statement itself notes them (a run without children too); `clearCascade` removes the note.
   */
  pendingCascades(limit: number): Promise<{ envId: string; runId: string }[]>;
  clearCascade(runId: string): Promise<void>;

  /** Live runs with `due_at` in (after, until], oldest first. */
  dueRuns(after: Date, until: Date, limit: number): Promise<DueRun[]>;
  /** The earliest `due_at` later than `after`, or null. */
  nextDueAt(after: Date): Promise<Date | null>;
  /** PENDING_VERSION runs of an environment, oldest first. */
  pendingVersionRuns(envId: string, after: string | null, limit: number): Promise<DueRun[]>;

  /** QUEUED runs that a region hands out, in id order. Expensive: for a region without agents. */
  queuedInRegion(region: string, after: string | null, limit: number): Promise<DueRun[]>;
  /** Of these worker versions, those that an unfinished run is locked to; with `since` also those with a run that ended after it. */
  versionsInUse(versionIds: readonly string[], since: Date | null): Promise<Set<string>>;
  /** All live rows in id order, for the rebuild of the index. */
  scanIndexed(afterId: string | null, limit: number): Promise<IndexedRun[]>;
  /** Live rows changed since `since`, for the rebuild's second pass. */
  indexedSince(since: Date, afterId: string | null, limit: number): Promise<IndexedRun[]>;
  /** QUEUED rows created in [from, to): the re-check for runs whose enqueue was lost. */
  queuedCreatedBetween(from: Date, to: Date, limit: number): Promise<IndexedRun[]>;

  readEpoch(): Promise<EpochRow>;
  /**
   * Announce a rebuild (read by groups without a lock), then take the next epoch once groups in flight are done.
   * `bumpEpoch` refuses (RetryableError) an owner whose announcement another one has replaced; `atLeast` keeps several
   * databases at one number. Groups of the new epoch run as soon as it is taken; the announcement keeps `rebuilding` true.
   */
  announceRebuild(owner: string): Promise<void>;
  bumpEpoch(owner: string, redisRunId: string, atLeast?: number): Promise<EpochRow>;
  /** Remove the announcement: groups may go on. */
  finishRebuild(epoch: number): Promise<void>;
  /** Run `work` while this process alone holds the named advisory lock; null when another one holds it. */
  withLock<T>(name: string, work: () => Promise<T>): Promise<T | null>;

  ping(): Promise<void>;
}

/** The index generation. `redisRunId`: the `run_id` of the Redis instance that this epoch was built in. */
export type EpochRow = { epoch: number; redisRunId: string | null; rebuilding: boolean };
