/** finalizing: one transaction. Its commit is the point of no return; what is left to do afterwards is in the table of jobs. */
import { inTransaction } from "../../../platform/db.server";
import { currentDeployment, deploymentById } from "../../rows/deploymentRows.server";
import { lockEnvironment } from "../../rows/environmentLock.server";
import type { DeploymentRecord } from "../../ports";
import { RELEASE_WAITING_RUNS } from "../../promotion/followUps.server";
import { leaveLine } from "../buildSlots.server";
import type { DeploymentRun } from "../deploymentRun";
import { DeployError } from "../errors";
import { guardedRow } from "../guard.server";
import { addJob } from "../deployer/jobs.server";
import { closeStep, throwIfStopped } from "../stepRecords.server";
import type { AutoPromotionResult } from "../ports";
import type { StepDefinition } from "../withStep";

const READY_SQL = "UPDATE deployment SET phase = 'ready', status = 'DEPLOYED', deployed_at = $2, updated_at = $2 WHERE id = $1";

export const finalizingStep: StepDefinition<{ promoted: boolean }> = {
  step: "finalizing",
  closesItself: true,
  work: async (run) => {
    const promoted = await run.durable.step("finalizing.commit", () => finalize(run));
    run.deps.jobsAdded();
    return { promoted };
  },
};

async function finalize(run: DeploymentRun): Promise<boolean> {
  const { pool, clock } = run.deps;
  const known = await deploymentById(pool, run.deploymentId);
  if (!known) throw new DeployError("ended", "The deployment was deleted.");
  return inTransaction(pool, async (tx) => {
    await lockEnvironment(tx, known.environmentId);
    const row = await guardedRow(tx, run);
    // Begun again after its commit: what it decided stands.
    if (row.phase === "ready" || row.phase === "stopped") return (await currentDeployment(tx, row.environmentId))?.id === row.id;
    throwIfStopped(row);
    const nowMs = clock.now();
    await tx.query(READY_SQL, [row.id, new Date(nowMs)]);
    const result = await run.deps.promotion.inTransaction(tx, { direction: "auto", deploymentId: row.id });
    await closeStep(tx, { deploymentId: row.id, step: "finalizing", nowMs }, { outcome: { promoted: result.promoted } });
    await run.deps.events.append(tx, row.id, [{ step: "finalizing", level: "info", type: "finalized", body: endText(row, result) }]);
    // A promotion brings its own follow-ups; runs that are locked to this version wait for it all the same.
    const waiting = { kind: RELEASE_WAITING_RUNS, environmentId: row.environmentId, deploymentId: row.id, generation: null };
    if (!result.promoted) await addJob(tx, { ...waiting, nowMs });
    await leaveLine(tx, run.deps, { deploymentId: row.id, nowMs });
    return result.promoted;
  });
}

function endText({ version }: DeploymentRecord, result: AutoPromotionResult): string {
  if (result.promoted) return `Version ${version} is ready and current.`;
  return result.message ?? `Version ${version} is ready; it was not promoted, as asked.`;
}
