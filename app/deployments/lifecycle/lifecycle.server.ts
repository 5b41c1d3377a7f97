/** What becomes of deployments after they are ready: stop, wake, redeploy, idle ones, and what is kept of old ones. */
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import type { Logger } from "../../platform/logger";
import type { AuditLog, DeploymentFeed, Workflow } from "../ports";
import { CollectGarbageService, type Collected, type GarbageDeps } from "./garbage.server";
import { IdleSweep } from "./idleSweep.server";
import { PhaseSweep, type HealthReader } from "./phaseSweep.server";
import { ApplyPlannedChangesService } from "./plannedChanges.server";
import { RedeployDeploymentService } from "./redeployDeployment.server";
import { StopDeploymentService } from "./stopDeployment.server";
import type { VersionsInUse } from "./versionsInUse";
import { createWakeAndWait, type WakeAndWait } from "./wakeAndWait.server";
import { WakeDeploymentService } from "./wakeDeployment.server";

export type LifecycleOptions = Pick<GarbageDeps, "removeArtifact" | "removeRelease"> & {
  pool: Pool;
  clock: Clock;
  log: Logger;
  audit: AuditLog;
  feed: Pick<DeploymentFeed, "onDeployment">;
  workflow: Pick<Workflow, "start">;
  versionsInUse: VersionsInUse;
  health: HealthReader;
};

export type Lifecycle = {
  stop: StopDeploymentService;
  wake: WakeDeploymentService;
  redeploy: RedeployDeploymentService;
  /** For promotion. */
  wakeAndWait: WakeAndWait;
  /** Plans stops of idle versions, applies plans that are due, and lets phases follow reports. Cheap when there is nothing. */
  sweep(nowMs: number): Promise<void>;
  /** Only the plans that are due; returns how many deployments changed. */
  applyDueStateChanges(nowMs: number): Promise<number>;
  /** Removes uploads and releases that nothing needs. */
  collectGarbage(nowMs: number): Promise<Collected>;
};

export function createLifecycle(options: LifecycleOptions): Lifecycle {
  const phases = new PhaseSweep(options);
  const idle = new IdleSweep(options);
  const planned = new ApplyPlannedChangesService(options);
  const garbage = new CollectGarbageService(options);
  return {
    stop: new StopDeploymentService(options),
    wake: new WakeDeploymentService(options),
    redeploy: new RedeployDeploymentService(options),
    wakeAndWait: createWakeAndWait({ ...options, phases }),
    sweep: async (nowMs) => {
      await idle.call(nowMs);
      await planned.call(nowMs);
      await phases.call(nowMs);
    },
    applyDueStateChanges: (nowMs) => planned.call(nowMs),
    collectGarbage: (nowMs) => garbage.call(nowMs),
  };
}
