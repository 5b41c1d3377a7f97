/**
 * The vocabulary of a run: its execution state (what the worker obeys), its status (what users see), and how both are
 * stored (smallint codes; codes never change meaning and are never reused).
 */

/** Execution states in `run_live.state`. RETRY_WAIT shows as QUEUED: its time has not come and it is not in the index. */
export const EXECUTION_STATES = {
  RUN_CREATED: 0,
  DELAYED: 1,
  QUEUED: 2,
  RETRY_WAIT: 3,
  PENDING_EXECUTING: 4,
  EXECUTING: 5,
  EXECUTING_WITH_WAITPOINTS: 6,
  QUEUED_EXECUTING: 7,
  PENDING_CANCEL: 8,
  FINISHED: 9,
} as const;
export type ExecutionState = keyof typeof EXECUTION_STATES;

/** Stored run statuses (`run_live.status`, `run_result.status`). */
export const RUN_STATUSES = {
  DELAYED: 0,
  PENDING: 1,
  PENDING_VERSION: 2,
  DEQUEUED: 3,
  EXECUTING: 4,
  RETRYING_AFTER_FAILURE: 5,
  WAITING_TO_RESUME: 6,
  COMPLETED_SUCCESSFULLY: 10,
  COMPLETED_WITH_ERRORS: 11,
  CANCELED: 12,
  CRASHED: 13,
  SYSTEM_FAILURE: 14,
  EXPIRED: 15,
  TIMED_OUT: 16,
} as const;
export type RunStatus = keyof typeof RUN_STATUSES;

/** Statuses that never change again. */
export type FinalRunStatus = Extract<
  RunStatus,
  "COMPLETED_SUCCESSFULLY" | "COMPLETED_WITH_ERRORS" | "CANCELED" | "CRASHED" | "SYSTEM_FAILURE" | "EXPIRED" | "TIMED_OUT"
>;

/** First code of a final status; the codes below it are live ones. */
export const FIRST_FINAL_STATUS_CODE = 10;

/** Status names of the public API (version 2025-07-16 and later). */
export type PublicRunStatus =
  | "DELAYED"
  | "QUEUED"
  | "PENDING_VERSION"
  | "DEQUEUED"
  | "EXECUTING"
  | "WAITING"
  | "COMPLETED"
  | "FAILED"
  | "CANCELED"
  | "CRASHED"
  | "SYSTEM_FAILURE"
  | "EXPIRED"
  | "TIMED_OUT";

const PUBLIC: Record<RunStatus, PublicRunStatus> = {
  DELAYED: "DELAYED",
  PENDING: "QUEUED",
  PENDING_VERSION: "PENDING_VERSION",
  DEQUEUED: "DEQUEUED",
  EXECUTING: "EXECUTING",
  RETRYING_AFTER_FAILURE: "EXECUTING",
  WAITING_TO_RESUME: "WAITING",
  COMPLETED_SUCCESSFULLY: "COMPLETED",
  COMPLETED_WITH_ERRORS: "FAILED",
  CANCELED: "CANCELED",
  CRASHED: "CRASHED",
  SYSTEM_FAILURE: "SYSTEM_FAILURE",
  EXPIRED: "EXPIRED",
  TIMED_OUT: "TIMED_OUT",
};

/** The status name that the public API shows. */
export function publicStatus(status: RunStatus): PublicRunStatus {
  return PUBLIC[status];
}

/** Stored statuses that show as `status`; used to filter lists. */
export function storedStatuses(status: PublicRunStatus): RunStatus[] {
  return RUN_STATUS_NAMES.filter((stored) => PUBLIC[stored] === status);
}

const STATE_NAMES = invert(EXECUTION_STATES);
const STATUS_NAMES = invert(RUN_STATUSES);

/** Every stored status, for exhaustive tests and filters. */
export const RUN_STATUS_NAMES = [...STATUS_NAMES.values()];

/** Name of a stored state code. Throws on a code this release does not know: reading on would invent a state. */
export function stateName(code: number): ExecutionState {
  return known(STATE_NAMES, code, "execution state");
}

/** Name of a stored status code; throws like `stateName`. */
export function statusName(code: number): RunStatus {
  return known(STATUS_NAMES, code, "run status");
}

/** True when the status never changes again. */
export function isFinal(status: RunStatus): status is FinalRunStatus {
  return RUN_STATUSES[status] >= FIRST_FINAL_STATUS_CODE;
}

/** The name that workers see: RETRY_WAIT is internal and reads QUEUED. */
export function wireState(state: ExecutionState): Exclude<ExecutionState, "RETRY_WAIT"> {
  return state === "RETRY_WAIT" ? "QUEUED" : state;
}

function invert<K extends string>(codes: Record<K, number>): Map<number, K> {
  const out = new Map<number, K>();
  for (const name of Object.keys(codes) as K[]) out.set(codes[name], name);
  return out;
}

function known<K>(names: Map<number, K>, code: number, what: string): K {
  const name = names.get(code);
  if (name === undefined) throw new Error(`Unknown ${what} code ${code}: was this row written by a newer release?`);
  return name;
}
