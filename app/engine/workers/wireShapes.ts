/** Bodies of the worker protocol, built from rows. Absent fields are left out: the clients' schemas refuse null. */
import type { EnvironmentView, TaskConfig, WorkerVersion } from "../../environments/types";
import { wireState, type ExecutionState, type RunStatus } from "../../runops/runStates";
import type { LiveRun, RunHeader } from "../../runops/runStore";
import { friendlyId, snapshotId } from "../../utils/ids";
import type { DeployedVersion } from "../versions/deployedVersions";
import { chooseMachine, type MachinePreset } from "../dequeue/machines";

/** Where a run stands, as far as a worker needs to know. */
export type RunPoint = { id: string; seq: number; state: ExecutionState; status: RunStatus; attempt: number; at: Date };

const DESCRIPTIONS: Record<ExecutionState, string> = {
  RUN_CREATED: "Waiting for a version that has its task",
  DELAYED: "Delayed",
  QUEUED: "Queued",
  RETRY_WAIT: "Waiting for its next attempt",
  PENDING_EXECUTING: "Handed to a worker",
  EXECUTING: "Attempt running",
  EXECUTING_WITH_WAITPOINTS: "Waiting inside its attempt",
  QUEUED_EXECUTING: "Waiting for a slot to continue",
  PENDING_CANCEL: "Being cancelled",
  FINISHED: "Finished",
};

/** The point at which a live row stands. */
export function pointOf(live: LiveRun): RunPoint {
  return { id: live.id, seq: live.seq, state: live.state, status: live.status, attempt: live.attempt, at: live.updatedAt };
}

/** `{id, friendlyId, executionStatus, description, createdAt}`. */
export function wireSnapshot(point: Pick<RunPoint, "id" | "seq" | "state" | "at">) {
  const id = snapshotId(point.id, point.seq);
  return {
    id: id.slice("snapshot_".length),
    friendlyId: id,
    executionStatus: wireState(point.state),
    description: DESCRIPTIONS[point.state],
    createdAt: point.at.toISOString(),
  };
}

/** `{id, friendlyId, status, attemptNumber}`; `attemptNumber` is left out before the first attempt. */
export function wireRun(point: Pick<RunPoint, "id" | "status" | "attempt">) {
  return {
    id: point.id,
    friendlyId: friendlyId("run", point.id),
    status: point.status,
    ...(point.attempt > 0 ? { attemptNumber: point.attempt } : {}),
  };
}

/** Body of `snapshots/latest`, and one entry of `snapshots/since`. */
export function wireExecutionData(point: RunPoint, batchId: string | null = null) {
  return {
    version: "1",
    snapshot: wireSnapshot(point),
    run: wireRun(point),
    ...(batchId ? { batch: { id: batchId, friendlyId: friendlyId("batch", batchId) } } : {}),
    completedWaitpoints: [],
  };
}

/** What the worker propagates: the run's own span is the parent of everything that the attempt records. */
export function traceContextOf(header: Pick<RunHeader, "traceId" | "spanId" | "traceContext">): Record<string, unknown> {
  return { ...header.traceContext, traceparent: `00-${header.traceId}-${header.spanId}-01` };
}

/** The machine of an attempt. In dev it is a name only: the process runs where the developer is. */
export function machineOf(live: LiveRun, header: Pick<RunHeader, "options">, task: TaskConfig | undefined): MachinePreset {
  return chooseMachine(live.machine, header.options.machine, task?.machine);
}

/** One entry of `dequeuedMessages`. `dequeuedAt`: when the poll was answered. */
export function wireDequeuedMessage(input: {
  live: LiveRun;
  header: Omit<RunHeader, "payload">;
  env: EnvironmentView;
  version: WorkerVersion;
  /** Null in dev. */
  deployed: DeployedVersion | null;
  dequeuedAt: Date;
}) {
  const { live, header, env, version, deployed } = input;
  return {
    version: "1",
    dequeuedAt: input.dequeuedAt.toISOString(),
    completedWaitpoints: [],
    snapshot: wireSnapshot(pointOf(live)),
    backgroundWorker: {
      id: version.id,
      friendlyId: friendlyId("worker", version.id),
      version: version.version,
      ...(version.runtime ? { runtime: version.runtime } : {}),
    },
    ...(deployed?.releaseDigest ? { image: `release://${deployed.releaseDigest}` } : {}),
    deployment: deployed ? { id: deployed.deploymentId, friendlyId: friendlyId("deployment", deployed.deploymentId) } : {},
    run: {
      id: live.id,
      friendlyId: friendlyId("run", live.id),
      isTest: header.isTest,
      isReplay: header.replayOf !== null,
      machine: machineOf(live, header, version.tasks.get(header.task)),
      attemptNumber: live.attempt + 1,
      masterQueue: live.lane.region,
      traceContext: traceContextOf(header),
    },
    environment: { id: env.id, type: env.type },
    organization: { id: env.organization.id },
    project: { id: env.project.id },
  };
}
