/** Rows as the statements return them, and what the port makes of them. */
import { FIRST_FINAL_STATUS_CODE, isFinal, stateName, statusName, type FinalRunStatus } from "../runStates";
import type { LiveRun, RunHeader, RunOptions, RunResult } from "../runStore";

/** Flags of `run_live.flags`. */
const ATTEMPT_CLOSED = 1;

export type LiveRow = {
  id: string;
  created_at: Date;
  env_id: string;
  task: string;
  queue: string;
  ck: string | null;
  region: string;
  score: number;
  state: number;
  status: number;
  seq: number;
  attempt: number;
  attempt_seq: number | null;
  deliveries: number;
  flags: number;
  version_id: string | null;
  machine: string | null;
  parent_id: string | null;
  due_at: Date | null;
  queued_at: Date | null;
  started_at: Date | null;
  updated_at: Date;
  usage_ms: number;
  cost: number;
};

/** Header columns that a live row lacks. */
export type HeaderRow = {
  id: string;
  created_at: Date;
  env_id: string;
  task: string;
  queue: string;
  ck: string | null;
  region: string;
  parent_id: string | null;
  payload_type: string;
  trace_id: string;
  span_id: string;
  parent_span_id: string | null;
  trace_context: string | null;
  tags: string[] | null;
  root_id: string | null;
  depth: number;
  batch_id: string | null;
  batch_index: number | null;
  idempotency_key: string | null;
  schedule_id: string | null;
  replay_of: string | null;
  is_test: boolean;
  options: string;
};

export type ResultRow = {
  id: string;
  env_id: string;
  task: string;
  status: number;
  completed_at: Date;
  queued_at: Date | null;
  started_at: Date | null;
  executed_at: Date | null;
  attempts: number;
  attempt_seq: number | null;
  final_seq: number;
  usage_ms: number;
  cost: number;
  version_id: string | null;
  machine: string | null;
  output: string | null;
  output_type: string;
  error: string | null;
  metadata: string | null;
  metadata_type: string;
  metadata_version: number;
  updated_at: Date;
};

/** A live row as the port shows it. */
export function toLiveRun(row: LiveRow): LiveRun {
  return {
    id: row.id,
    envId: row.env_id,
    lane: { envId: row.env_id, queue: row.queue, concurrencyKey: row.ck, region: row.region },
    state: stateName(row.state),
    status: statusName(row.status),
    seq: row.seq,
    attemptSeq: row.attempt_seq,
    attempt: row.attempt,
    deliveries: row.deliveries,
    score: row.score,
    versionId: row.version_id,
    machine: row.machine,
    attemptClosed: (row.flags & ATTEMPT_CLOSED) !== 0,
    dueAt: row.due_at,
    queuedAt: row.queued_at,
    startedAt: row.started_at,
    updatedAt: row.updated_at,
    usageMs: row.usage_ms,
    task: row.task,
    parentId: row.parent_id,
    createdAt: row.created_at,
    costInCents: row.cost,
  };
}

/** A header row as the port shows it, without the payload. */
export function toHeader(row: HeaderRow): Omit<RunHeader, "payload"> {
  return {
    id: row.id,
    createdAt: row.created_at,
    envId: row.env_id,
    task: row.task,
    queue: row.queue,
    concurrencyKey: row.ck,
    region: row.region,
    payloadType: row.payload_type,
    traceId: row.trace_id,
    spanId: row.span_id,
    parentSpanId: row.parent_span_id,
    traceContext: row.trace_context === null ? null : (JSON.parse(row.trace_context) as Record<string, unknown>),
    tags: row.tags ?? [],
    rootId: row.root_id,
    parentId: row.parent_id,
    depth: row.depth,
    batchId: row.batch_id,
    batchIndex: row.batch_index,
    idempotencyKey: row.idempotency_key,
    scheduleId: row.schedule_id,
    replayOf: row.replay_of,
    isTest: row.is_test,
    options: toOptions(row.options),
  };
}

/** The options column as written by `trigger`. */
export function toOptions(text: string): RunOptions {
  return JSON.parse(text) as RunOptions;
}

/** A result row as the port shows it. */
export function toResult(row: ResultRow): RunResult {
  return {
    id: row.id,
    envId: row.env_id,
    task: row.task,
    status: finalStatus(row.status),
    completedAt: row.completed_at,
    queuedAt: row.queued_at,
    startedAt: row.started_at,
    executedAt: row.executed_at,
    attempts: row.attempts,
    usageMs: row.usage_ms,
    costInCents: row.cost,
    versionId: row.version_id,
    machine: row.machine,
    output: row.output,
    outputType: row.output_type,
    error: row.error,
    metadata: row.metadata,
    metadataType: row.metadata_type,
    metadataVersion: row.metadata_version,
    attemptSeq: row.attempt_seq,
    finalSeq: row.final_seq,
    updatedAt: row.updated_at,
  };
}

/** Name of a final status code; throws on a live one: the row would lie. */
export function finalStatus(code: number): FinalRunStatus {
  const status = statusName(code);
  if (!isFinal(status)) throw new Error(`Status ${status} (${code}) is in a result row; final codes start at ${FIRST_FINAL_STATUS_CODE}.`);
  return status;
}
