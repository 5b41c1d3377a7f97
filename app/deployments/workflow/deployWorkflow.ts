/** The workflow `deploy-v1`: six steps, each entered from the one before, and what undoes them. */
import type { DurableContext } from "./engine/engine";
import { Compensations } from "./compensations";
import type { DeploymentRun, StepDeps } from "./deploymentRun";
import { buildingStep } from "./steps/building.server";
import { deployingStep } from "./steps/deploying.server";
import { finalizingStep } from "./steps/finalizing.server";
import { networkStep } from "./steps/network.server";
import { queuedStep } from "./steps/queued.server";
import { startingStep } from "./steps/starting.server";
import { unwind } from "./unwind";
import { StepFailure, withStep } from "./withStep";

/** Takes a deployment to its end, whichever it is. Throws only what the engine itself throws. */
export async function deployWorkflow(durable: DurableContext, deps: StepDeps, epoch: number): Promise<void> {
  const run: DeploymentRun = { deploymentId: durable.id, epoch, durable, undo: new Compensations(), deps };
  try {
    await withStep(run, queuedStep);
    const { done, outcome: targets } = await withStep(run, startingStep);
    if (done) return;
    await withStep(run, buildingStep);
    await withStep(run, deployingStep(targets));
    await withStep(run, networkStep(targets));
    await withStep(run, finalizingStep);
  } catch (failure) {
    if (!(failure instanceof StepFailure)) throw failure;
    await unwind(run, failure);
  }
}
