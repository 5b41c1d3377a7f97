/** Stops the replicas of a version that is not the current one. */
import type { Clock } from "../../platform/clock";
import { inTransaction, type Pool } from "../../platform/db.server";
import type { Actor, AuditLog } from "../ports";
import { setDesiredState } from "./desiredState.server";
import { type LockedDeployment, lockForChange, refuseChange } from "./lockForChange.server";
import { forgetPlan } from "./plannedStops.server";
import type { VersionsInUse } from "./versionsInUse";

/** `deployment`: version or `deployment_<id>`. */
export type LifecycleCommand = { env: { id: string }; deployment: string; actor: Actor };
export type LifecycleAnswer = { id: string; version: string; shortCode: string };

export const STOP_REFUSALS = {
  notReady: "Only a deployed version can be stopped.",
  stopped: "The deployment is stopped already.",
  current: "The current deployment cannot be stopped.",
  inUse: "Runs that are locked to this deployment have not finished. Wait for them or cancel them, then stop it.",
} as const;

export class StopDeploymentService {
  constructor(private readonly deps: { pool: Pool; clock: Clock; audit: AuditLog; versionsInUse: VersionsInUse }) {}

  /** Accepted when it returns; the phase follows when the agents have stopped the replicas. Throws 404, or 409 with the reason. */
  call(command: LifecycleCommand): Promise<LifecycleAnswer> {
    return inTransaction(this.deps.pool, async (tx) => {
      const locked = await lockForChange(tx, command.env.id, command.deployment);
      await this.refuse(locked);
      const { environment, deployment } = locked;
      await forgetPlan(tx, deployment.id);
      const nowMs = this.deps.clock.now();
      await setDesiredState(tx, this.deps.audit, { environment, deployment, state: "stopped", actor: command.actor, nowMs });
      return { id: deployment.id, version: deployment.version, shortCode: deployment.shortCode };
    });
  }

  private async refuse({ deployment, isCurrent }: LockedDeployment): Promise<void> {
    if (deployment.desiredState === "stopped") refuseChange(STOP_REFUSALS.stopped);
    if (deployment.phase !== "ready") refuseChange(STOP_REFUSALS.notReady);
    if (isCurrent) refuseChange(STOP_REFUSALS.current);
    const versionId = deployment.workerVersionId;
    if (versionId !== null && (await this.deps.versionsInUse([versionId], null)).has(versionId)) refuseChange(STOP_REFUSALS.inUse);
  }
}
