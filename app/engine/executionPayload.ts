/** The answer to an attempt's start: everything that a run process needs to run the task. */
import type { EnvironmentView, QueueView, WorkerVersion } from "../environments/types";
import type { LiveRun, RunHeader } from "../runops/runStore";
import { friendlyId } from "../utils/ids";
import { parseMetadata } from "./metadataText";
import { machineOf, pointOf, traceContextOf, wireRun, wireSnapshot } from "./wireShapes";

export type StartedAttempt = {
  live: LiveRun;
  header: RunHeader;
  metadata: string | null;
  metadataType: string;
  env: EnvironmentView;
  version: WorkerVersion;
  /** Queues of the environment, to give the run's queue its id. */
  queues: readonly QueueView[];
  /** User variables and ours, already merged. */
  envVars: Record<string, string>;
};

/** `{run, snapshot, execution, envVars}` of `attempts/start`. */
export function wireStartedAttempt(started: StartedAttempt) {
  const point = pointOf(started.live);
  return { run: wireRun(point), snapshot: wireSnapshot(point), execution: wireExecution(started), envVars: started.envVars };
}

function wireExecution(started: StartedAttempt) {
  const { live, header, env, version } = started;
  const task = version.tasks.get(header.task);
  const queue = started.queues.find((candidate) => candidate.name === header.queue);
  return {
    attempt: { number: live.attempt, startedAt: live.updatedAt.toISOString() },
    run: wireTaskRun(started),
    task: { id: header.task, filePath: task?.filePath ?? "", ...(task?.exportName ? { exportName: task.exportName } : {}) },
    queue: { id: friendlyId("queue", queue?.id ?? header.queue), name: header.queue },
    environment: { id: env.id, slug: env.slug, type: env.type, ...(env.branchName ? { branchName: env.branchName } : {}) },
    organization: { id: env.organization.id, slug: env.organization.slug, name: env.organization.title },
    project: { id: env.project.id, ref: env.project.ref, slug: env.project.slug, name: env.project.name },
    machine: machineOf(live, header, task),
    ...(header.batchId ? { batch: { id: friendlyId("batch", header.batchId) } } : {}),
  };
}

function wireTaskRun(started: StartedAttempt) {
  const { live, header, version } = started;
  const task = version.tasks.get(header.task);
  const maxAttempts = header.options.maxAttempts ?? task?.retry?.maxAttempts;
  const maxDuration = header.options.maxDuration ?? task?.maxDuration;
  const idempotency = header.options.idempotencyKeyOptions;
  const metadata = parseMetadata(started.metadata, started.metadataType);
  return {
    id: friendlyId("run", header.id),
    payload: header.payload ?? "",
    payloadType: header.payloadType,
    createdAt: header.createdAt.toISOString(),
    startedAt: (live.startedAt ?? live.updatedAt).toISOString(),
    tags: header.tags,
    isTest: header.isTest,
    isReplay: header.replayOf !== null,
    ...defined({ maxAttempts, maxDuration, metadata, priority: header.options.priority }),
    version: version.version,
    traceContext: traceContextOf(header),
    ...defined({
      idempotencyKey: idempotency?.key ?? header.idempotencyKey ?? undefined,
      idempotencyKeyScope: idempotency?.scope,
      realtimeStreamsVersion: header.options.realtimeStreamsVersion,
    }),
    // Their absence is what tells a root run: metadata updates of parent and root go by it.
    ...(header.parentId ? { parentTaskRunId: friendlyId("run", header.parentId) } : {}),
    ...(header.rootId ? { rootTaskRunId: friendlyId("run", header.rootId) } : {}),
    durationMs: live.usageMs,
    costInCents: 0,
    baseCostInCents: 0,
  };
}

function defined<T extends Record<string, unknown>>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)) as Partial<T>;
}

/** Variables that every run process gets from us, over the user's own. */
export function platformVariables(urls: { origin: string; otlpEndpoint: string }): Record<string, string> {
  return {
    TRIGGER_OTEL_EXPORTER_OTLP_ENDPOINT: urls.otlpEndpoint,
    OTEL_EXPORTER_OTLP_ENDPOINT: urls.otlpEndpoint,
    TRIGGER_OTEL_BATCH_PROCESSING_ENABLED: "1",
    TRIGGER_STREAM_URL: urls.origin,
  };
}
