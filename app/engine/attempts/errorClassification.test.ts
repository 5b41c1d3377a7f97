import { TaskRunErrorCodes, type TaskRunError } from "@trigger.dev/core/v3/schemas";
import { isOOMRunError, shouldLookupRetrySettings, shouldRetryError } from "@trigger.dev/core/v3/errors";
import { describe, expect, it } from "vitest";
import { finalStatusOf, INTERNAL_ERROR_VERDICTS, isOutOfMemory, isRetryable, retriedByServer } from "./errorClassification";

const internal = (code: string, message?: string, stackTrace?: string) => ({ type: "INTERNAL_ERROR" as const, code, message, stackTrace });
const codes = Object.keys(TaskRunErrorCodes) as (keyof typeof TaskRunErrorCodes)[];

/** Final status of every internal code, written out apart from the table under test. */
const CRASHED = new Set([
  "TASK_PROCESS_OOM_KILLED",
  "TASK_PROCESS_MAYBE_OOM_KILLED",
  "TASK_PROCESS_SIGSEGV",
  "DISK_SPACE_EXCEEDED",
  "OUTDATED_SDK_VERSION",
  "HANDLE_ERROR_ERROR",
  "TASK_RUN_CRASHED",
  "TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE",
]);
const FAILED = new Set([
  "TASK_INPUT_ERROR",
  "TASK_OUTPUT_ERROR",
  "TASK_MIDDLEWARE_ERROR",
  "TASK_RUN_UNCAUGHT_EXCEPTION",
  "RECURSIVE_WAIT_DEADLOCK",
  "TASK_RUN_STALLED_EXECUTING",
  "TASK_RUN_STALLED_EXECUTING_WITH_WAITPOINTS",
]);
const OTHER: Record<string, string> = { TASK_RUN_CANCELLED: "CANCELED", MAX_DURATION_EXCEEDED: "TIMED_OUT" };

function documentedStatus(code: string): string {
  if (CRASHED.has(code)) return "CRASHED";
  if (FAILED.has(code)) return "COMPLETED_WITH_ERRORS";
  return OTHER[code] ?? "SYSTEM_FAILURE";
}

describe("26 every internal code maps to the documented final status", () => {
  it("knows exactly the codes that core knows", () => {
    expect(Object.keys(INTERNAL_ERROR_VERDICTS).sort()).toEqual([...codes].sort());
  });

  it.each(codes)("%s", (code) => {
    expect(finalStatusOf(internal(code), false)).toBe(documentedStatus(code));
    expect(isRetryable(internal(code))).toBe(shouldRetryError(internal(code) as TaskRunError));
    expect(retriedByServer(internal(code))).toBe(shouldLookupRetrySettings(internal(code) as TaskRunError));
  });

  it("treats a code of a newer client as a final system failure", () => {
    expect(finalStatusOf(internal("__proto__"), false)).toBe("SYSTEM_FAILURE");
    expect(isRetryable(internal("SOMETHING_NEW"))).toBe(false);
  });

  it("cancels a stalled run in dev", () => {
    expect(finalStatusOf(internal("TASK_RUN_STALLED_EXECUTING"), true)).toBe("CANCELED");
    expect(finalStatusOf(internal("TASK_RUN_CRASHED"), true)).toBe("CRASHED");
  });
});

describe("out of memory is recognised as core recognises it", () => {
  const exited = "TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE";
  const builtIn = (message: string) => ({ type: "BUILT_IN_ERROR" as const, name: "Error", message, stackTrace: "" });
  const cases = [
    internal("TASK_PROCESS_OOM_KILLED"),
    internal(exited, "Process exited with code -1 after signal SIGKILL."),
    internal(exited, "Process exited with code -1 after signal SIGABRT.", "FATAL ERROR: Reached heap limit Allocation failed"),
    internal(exited, "Process exited with code -1 after signal SIGABRT.", "assertion"),
    internal(exited, "Process exited with code 1."),
    internal("TASK_RUN_CRASHED", "-1 SIGKILL"),
    builtIn("ffmpeg was killed with signal SIGKILL"),
    builtIn("MANUAL_OOM_KILL_ERROR"),
    builtIn("boom"),
    { type: "STRING_ERROR" as const, raw: "SIGKILL" },
  ];
  it.each(cases)("%j", (error) => {
    expect(isOutOfMemory(error)).toBe(isOOMRunError(error as TaskRunError));
  });
});
