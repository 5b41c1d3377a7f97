/** After a failure or a cancel: undoes what was done, newest first, then writes how the deployment ended. */
import { toPostgresJson } from "../../environments/postgresJson";
import { loadScript } from "../../platform/scripts.server";
import { isTerminal, type Step } from "../phases";
import type { DeploymentErrorData } from "../ports";
import { endDeployment } from "../rows/endDeployment.server";
import { fullText, summarize } from "../stepError";
import type { PoolClient } from "../../platform/db.server";
import { errorMessage } from "../../platform/logger";
import type { Compensation } from "./compensations";
import type { DeploymentRun } from "./deploymentRun";
import { codeOf, storeError, type StoredError } from "./errors";
import { guarded } from "./guard.server";
import { storable } from "./stepRecords.server";
import type { StepFailure } from "./withStep";

const FAIL_ALONE_SQL = loadScript("deployments/workflow/sql/deployment-fail.sql");
const FAILURE_STEP_SQL = "UPDATE deployment SET failure_step = coalesce($2, failure_step) WHERE id = $1";
const REPLACE_ERROR_SQL =
  "UPDATE deployment_step SET error = $3, error_summary = $4 WHERE deployment_id = $1 AND step = $2 AND ended_at IS NOT NULL AND error = $5";

/** Never throws for what a compensation does: each has its attempts, all are run, their errors join the first one. */
export async function unwind(run: DeploymentRun, failure: StepFailure): Promise<void> {
  if (await run.durable.step("unwind.needed", () => isReady(run))) return;
  const errors: Error[] = [];
  for (const compensation of run.undo.reversed()) {
    try {
      await run.durable.step(`undo.${compensation.name}`, () => undo(run, failure.step, compensation));
    } catch (error) {
      errors.push(error instanceof Error ? error : new Error(String(error)));
    }
  }
  const error = errors.length === 0 ? failure.cause : new AggregateError([failure.cause, ...errors], failure.cause.message);
  await run.durable.step("fail", () => markFailed(run, { step: failure.step, first: failure.cause, error }));
}

/** What is ready stays: an error after the commit of the last step is repaired, not undone. */
function isReady(run: DeploymentRun): Promise<boolean> {
  return guarded(run.deps.pool, run, async (_tx, row) => row.phase === "ready" || row.phase === "stopped");
}

async function undo(run: DeploymentRun, step: Step, compensation: Compensation): Promise<void> {
  await compensation.run();
  await guarded(run.deps.pool, run, (tx) =>
    run.deps.events.append(tx, run.deploymentId, [{ step, level: "debug", body: compensation.done }])
  );
}

type Failure = { step: Step; first: Error; error: Error };

/** The end of the deployment, unless it has ended by a cancel or a service; then only what joined its error is added. */
async function markFailed(run: DeploymentRun, failure: Failure): Promise<void> {
  await guarded(run.deps.pool, run, async (tx, row) => {
    if (!isTerminal(row.phase)) await end(run, tx, failure);
    if (failure.error instanceof AggregateError) await keepCombined(run, tx, failure);
  });
}

/** With the step's row, or without it when that cannot be written: the sweep closes it once it can. */
async function end(run: DeploymentRun, tx: PoolClient, { step, error }: Failure): Promise<void> {
  const { deploymentId, deps } = run;
  const code = codeOf(error);
  const data = errorData(storeError(error));
  const nowMs = deps.clock.now();
  const timedOut = code === "timed_out";
  const whole = await trySaved(tx, async () => {
    await endDeployment(tx, deps, {
      ...{ deploymentId, phase: "failed", timedOut, message: error.message, fullText: fullText(error), errorData: data, code, nowMs },
    });
    await tx.query(FAILURE_STEP_SQL, [deploymentId, step]);
  });
  if (whole === null) return;
  const status = timedOut ? "TIMED_OUT" : "FAILED";
  await tx.query(FAIL_ALONE_SQL, [deploymentId, status, new Date(nowMs), step, code, toPostgresJson(data)]);
  await deps.events.append(tx, deploymentId, [
    { step, level: "error", body: fullText(error) },
    { step: null, level: "error", type: "finalized", body: error.message },
  ]);
}

/** The step's row may be what cannot be written; the log of the deployment then holds all of it. */
async function keepCombined(run: DeploymentRun, tx: PoolClient, { step, first, error }: Failure): Promise<void> {
  await run.deps.events.append(tx, run.deploymentId, [{ step, level: "error", body: fullText(error) }]);
  const refused = await trySaved(tx, async () => {
    await tx.query(REPLACE_ERROR_SQL, [run.deploymentId, step, ...storable(error), storable(first)[0]]);
  });
  if (refused === null) return;
  const body = summarize(`The step's record could not be completed: ${refused}`);
  await run.deps.events.append(tx, run.deploymentId, [{ step, level: "warn", body }]);
}

/** Null, or why the database refused the writes; the transaction goes on without them. */
async function trySaved(tx: PoolClient, work: () => Promise<void>): Promise<string | null> {
  await tx.query("SAVEPOINT attempt");
  try {
    await work();
    await tx.query("RELEASE SAVEPOINT attempt");
    return null;
  } catch (error) {
    await tx.query("ROLLBACK TO SAVEPOINT attempt");
    return errorMessage(error);
  }
}

/** As the API and the pages show it; causes are the parts of a combined error, or what stood behind a single one. */
function errorData(stored: StoredError): DeploymentErrorData {
  const causes = stored.parts ?? (stored.cause ? [stored.cause] : []);
  return {
    name: stored.name,
    message: stored.message,
    ...(stored.stack ? { stack: stored.stack } : {}),
    ...(stored.stderr ? { stderr: stored.stderr } : {}),
    ...(causes.length > 0 ? { causes: causes.map(errorData) } : {}),
  };
}
