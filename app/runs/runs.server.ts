/** What a caller does with runs: trigger, cancel, replay, reschedule, tag, change metadata, free a key, move packets. */
import type { DeployedVersions } from "../engine/versions/deployedVersions";
import type { QueueIndex } from "../engine/queueIndex/queueIndex";
import type { EnvironmentDirectory } from "../environments/types";
import type { Clock } from "../platform/clock";
import type { Logger } from "../platform/logger";
import type { RunStore } from "../runops/runStore";
import { AddTagsService } from "./addTags.server";
import { CancelRunService } from "./cancelRun.server";
import { GetMetadataService } from "./metadata/getMetadata.server";
import { createPacketStore, type PacketOptions, type PacketStore } from "./packets/packetStore.server";
import { QueueSizeGuard } from "./trigger/queueSizeGuard";
import { ReplayRunService } from "./replayRun.server";
import { RescheduleRunService } from "./rescheduleRun.server";
import { ResetIdempotencyKeyService } from "./resetIdempotencyKey.server";
import type { RunsEngine, RunsLimits } from "./types";
import { TriggerVersions } from "./trigger/triggerVersions.server";
import { TriggerTaskService } from "./trigger/triggerTask.server";
import { UpdateMetadataService } from "./metadata/updateMetadata.server";

export type Runs = {
  triggerTask: TriggerTaskService;
  cancelRun: CancelRunService;
  replayRun: ReplayRunService;
  rescheduleRun: RescheduleRunService;
  addTags: AddTagsService;
  getMetadata: GetMetadataService;
  updateMetadata: UpdateMetadataService;
  resetIdempotencyKey: ResetIdempotencyKeyService;
  packets: PacketStore;
};

export type RunsDeps = {
  store: RunStore;
  directory: EnvironmentDirectory;
  engine: RunsEngine;
  deployed: DeployedVersions;
  index: Pick<QueueIndex, "queueCounts">;
  clock: Clock;
  log: Logger;
  packets: PacketOptions;
  limits: RunsLimits;
};

/** Builds every service of the domain. Nothing here has a lifecycle: no loops, no connections of its own. */
export function createRuns(deps: RunsDeps): Runs {
  const packets = createPacketStore(deps.packets, deps.clock);
  const queueSizes = new QueueSizeGuard(deps.index, deps.clock, deps.limits);
  const triggerTask = new TriggerTaskService({ ...deps, packets, queueSizes, versions: new TriggerVersions(deps) });
  return {
    triggerTask,
    cancelRun: new CancelRunService(deps),
    replayRun: new ReplayRunService({ store: deps.store, triggerTask }),
    rescheduleRun: new RescheduleRunService(deps),
    addTags: new AddTagsService(deps),
    getMetadata: new GetMetadataService(deps),
    updateMetadata: new UpdateMetadataService(deps),
    resetIdempotencyKey: new ResetIdempotencyKeyService(deps),
    packets,
  };
}
