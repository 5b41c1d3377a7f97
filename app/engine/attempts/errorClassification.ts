/**
 * What each internal error code means for a run: its final status, whether another attempt may follow, and whether the
 * server looks up the retry policy itself (the process died before it could). A test holds this table equal to the codes
 * and retry rules of `@trigger.dev/core`, which is not imported here: it would cost every process 21 MB.
 */
import type { FinalRunStatus } from "../../runops/runStates";
import type { WireError } from "../types";

type Verdict = {
  status: FinalRunStatus;
  /** False: the first failure is final. */
  retryable: boolean;
  /** True: the server computes the delay when the worker sent none. */
  lookup?: true;
};

const FAILED_RETRYABLE: Verdict = { status: "COMPLETED_WITH_ERRORS", retryable: true };
const FAILED_RETRY_BY_SERVER: Verdict = { status: "COMPLETED_WITH_ERRORS", retryable: true, lookup: true };
const CRASHED_FINAL: Verdict = { status: "CRASHED", retryable: false };
const CRASHED_RETRYABLE: Verdict = { status: "CRASHED", retryable: true };
const CRASHED_RETRY_BY_SERVER: Verdict = { status: "CRASHED", retryable: true, lookup: true };
const SYSTEM_FINAL: Verdict = { status: "SYSTEM_FAILURE", retryable: false };
const SYSTEM_RETRYABLE: Verdict = { status: "SYSTEM_FAILURE", retryable: true };

/** Verdict per internal code; a code that is not here (a newer client) is a final SYSTEM_FAILURE. */
export const INTERNAL_ERROR_VERDICTS: Readonly<Record<string, Verdict>> = {
  BATCH_ITEM_COULD_NOT_TRIGGER: SYSTEM_FINAL,
  CONFIGURED_INCORRECTLY: SYSTEM_FINAL,
  COULD_NOT_FIND_EXECUTOR: SYSTEM_FINAL,
  COULD_NOT_FIND_TASK: SYSTEM_FINAL,
  COULD_NOT_IMPORT_TASK: SYSTEM_FINAL,
  DISK_SPACE_EXCEEDED: CRASHED_FINAL,
  GRACEFUL_EXIT_TIMEOUT: SYSTEM_RETRYABLE,
  HANDLE_ERROR_ERROR: CRASHED_RETRYABLE,
  MAX_DURATION_EXCEEDED: { status: "TIMED_OUT", retryable: false },
  OUTDATED_SDK_VERSION: CRASHED_FINAL,
  PAYLOAD_TOO_LARGE: SYSTEM_FINAL,
  POD_EVICTED: SYSTEM_RETRYABLE,
  POD_UNKNOWN_ERROR: SYSTEM_RETRYABLE,
  RECURSIVE_WAIT_DEADLOCK: { status: "COMPLETED_WITH_ERRORS", retryable: false },
  TASK_ALREADY_RUNNING: SYSTEM_FINAL,
  TASK_DEQUEUED_INVALID_STATE: SYSTEM_FINAL,
  TASK_DEQUEUED_QUEUE_NOT_FOUND: SYSTEM_FINAL,
  TASK_DID_CONCURRENT_WAIT: SYSTEM_FINAL,
  TASK_EXECUTION_ABORTED: SYSTEM_RETRYABLE,
  TASK_EXECUTION_FAILED: SYSTEM_RETRYABLE,
  TASK_HAS_N0_EXECUTION_SNAPSHOT: SYSTEM_FINAL,
  TASK_INPUT_ERROR: FAILED_RETRYABLE,
  TASK_MIDDLEWARE_ERROR: FAILED_RETRY_BY_SERVER,
  TASK_OUTPUT_ERROR: FAILED_RETRYABLE,
  TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE: CRASHED_RETRY_BY_SERVER,
  TASK_PROCESS_MAYBE_OOM_KILLED: CRASHED_FINAL,
  TASK_PROCESS_OOM_KILLED: CRASHED_FINAL,
  TASK_PROCESS_SIGKILL_TIMEOUT: SYSTEM_FINAL,
  TASK_PROCESS_SIGSEGV: CRASHED_RETRY_BY_SERVER,
  TASK_PROCESS_SIGTERM: { status: "SYSTEM_FAILURE", retryable: true, lookup: true },
  TASK_RUN_CANCELLED: { status: "CANCELED", retryable: false },
  TASK_RUN_CRASHED: CRASHED_RETRYABLE,
  TASK_RUN_DEQUEUED_MAX_RETRIES: SYSTEM_FINAL,
  TASK_RUN_HEARTBEAT_TIMEOUT: SYSTEM_FINAL,
  TASK_RUN_STALLED_EXECUTING: FAILED_RETRYABLE,
  TASK_RUN_STALLED_EXECUTING_WITH_WAITPOINTS: FAILED_RETRYABLE,
  TASK_RUN_UNCAUGHT_EXCEPTION: FAILED_RETRY_BY_SERVER,
  UNSPECIFIED_ERROR: SYSTEM_FINAL,
};

const STALLED = new Set(["TASK_RUN_STALLED_EXECUTING", "TASK_RUN_STALLED_EXECUTING_WITH_WAITPOINTS"]);

function verdictOf(error: WireError): Verdict {
  if (error.type !== "INTERNAL_ERROR") return FAILED_RETRYABLE;
  return (Object.hasOwn(INTERNAL_ERROR_VERDICTS, error.code) ? INTERNAL_ERROR_VERDICTS[error.code] : undefined) ?? SYSTEM_FINAL;
}

/** The status of a run that ends with this error. In dev a stalled run is CANCELED: its session went away. */
export function finalStatusOf(error: WireError, isDev: boolean): FinalRunStatus {
  if (isDev && error.type === "INTERNAL_ERROR" && STALLED.has(error.code)) return "CANCELED";
  if (isOutOfMemory(error)) return "CRASHED";
  return verdictOf(error).status;
}

/** True when another attempt may follow this error, attempts permitting. Out of memory has a rule of its own. */
export function isRetryable(error: WireError): boolean {
  return verdictOf(error).retryable;
}

/** True when the server computes the delay from the frozen retry policy, because the process that would have is gone. */
export function retriedByServer(error: WireError): boolean {
  return verdictOf(error).lookup === true;
}

const MANUAL_OUT_OF_MEMORY = "MANUAL_OOM_KILL_ERROR";
const HEAP_EXHAUSTED = ["JavaScript heap out of memory", "Reached heap limit"];

/**
 * True for the two out-of-memory codes and for what memory exhaustion looks like when only the exit is known: SIGKILL with
 * code -1, SIGABRT after V8's heap message, ffmpeg killed by the kernel, or the SDK's own `OutOfMemoryError`.
 */
export function isOutOfMemory(error: WireError): boolean {
  switch (error.type) {
    case "INTERNAL_ERROR":
      return isInternalOutOfMemory(error);
    case "BUILT_IN_ERROR":
      return error.message === MANUAL_OUT_OF_MEMORY || error.message.includes("ffmpeg was killed with signal SIGKILL");
    default:
      return false;
  }
}

function isInternalOutOfMemory(error: Extract<WireError, { type: "INTERNAL_ERROR" }>): boolean {
  if (error.code === "TASK_PROCESS_OOM_KILLED" || error.code === "TASK_PROCESS_MAYBE_OOM_KILLED") return true;
  const message = error.message ?? "";
  if (error.code !== "TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE" || !message.includes("-1")) return false;
  if (message.includes("SIGKILL")) return true;
  return message.includes("SIGABRT") && HEAP_EXHAUSTED.some((text) => error.stackTrace?.includes(text));
}
