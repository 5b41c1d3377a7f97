/** `GET /api/v1/runs/:id/result`: how a finished run ended, as the worker protocol words it. */
import type { TaskRunError, TaskRunExecutionResult } from "@trigger.dev/core/v3/schemas";
import type { RunResult } from "../../runops/runStore";
import { friendlyId } from "../../utils/ids";
import { storedError } from "./runError.server";

/** Output and its type stay verbatim: the SDK decodes them. */
export function presentResult(result: RunResult): TaskRunExecutionResult {
  const common = { id: friendlyId("run", result.id), taskIdentifier: result.task, usage: { durationMs: result.usageMs } };
  if (result.status === "COMPLETED_SUCCESSFULLY") {
    return { ok: true, ...common, ...(result.output === null ? {} : { output: result.output }), outputType: result.outputType };
  }
  return { ok: false, ...common, error: errorOf(result) };
}

function errorOf(result: RunResult): TaskRunError {
  if (result.error) return storedError(result.error);
  if (result.status === "CANCELED") return { type: "INTERNAL_ERROR", code: "TASK_RUN_CANCELLED" };
  return { type: "STRING_ERROR", raw: `Run ended ${result.status}` };
}
