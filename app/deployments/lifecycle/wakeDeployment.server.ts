/** Starts the replicas of a version that was stopped. */
import type { Clock } from "../../platform/clock";
import { inTransaction, type Pool } from "../../platform/db.server";
import type { AuditLog } from "../ports";
import { setDesiredState } from "./desiredState.server";
import { lockForChange, refuseChange } from "./lockForChange.server";
import { forgetPlan } from "./plannedStops.server";
import type { LifecycleAnswer, LifecycleCommand } from "./stopDeployment.server";

export const WAKE_REFUSALS = {
  running: "The deployment is not stopped.",
  releaseGone: "The release of this deployment is no longer available. Redeploy it first.",
} as const;

export class WakeDeploymentService {
  constructor(private readonly deps: { pool: Pool; clock: Clock; audit: AuditLog }) {}

  /** Accepted when it returns; the phase is ready once enough regions are healthy. Throws 404, or 409 with the reason. */
  call(command: LifecycleCommand): Promise<LifecycleAnswer> {
    return inTransaction(this.deps.pool, async (tx) => {
      const { environment, deployment } = await lockForChange(tx, command.env.id, command.deployment);
      if (deployment.status !== "DEPLOYED" || deployment.desiredState !== "stopped") refuseChange(WAKE_REFUSALS.running);
      if (deployment.releaseDigest === null) refuseChange(WAKE_REFUSALS.releaseGone);
      await forgetPlan(tx, deployment.id);
      const nowMs = this.deps.clock.now();
      await setDesiredState(tx, this.deps.audit, { environment, deployment, state: "running", actor: command.actor, nowMs });
      return { id: deployment.id, version: deployment.version, shortCode: deployment.shortCode };
    });
  }
}
