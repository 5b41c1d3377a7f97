/** The answer to an attempt's start: everything that a run process needs to run the task. */
import type { EnvironmentView, QueueView, WorkerVersion } from "../../environments/types";
import type { LiveRun, RunHeader } from "../../runops/runStore";
import { friendlyId } from "../../utils/ids";
import { parseMetadata } from "./metadataText";
import { machineOf, pointOf, traceContextOf, wireRun, wireSnapshot } from "../workers/wireShapes";

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
  return {
    id: friendlyId("run", header.id),
    payload: header.payload ?? "",
    payloadType: header.payloadType,
    createdAt: header.createdAt.toISOString(),
    startedAt: (live.startedAt ?? live.updatedAt).toISOString(),
    tags: header.tags,
    isTest: header.isTest,
    isReplay: header.replayOf !== null,
    version: version.version,
    traceContext: traceContextOf(header),
    ...defined(runLimits(started)),
    ...defined({ metadata: parseMetadata(started.metadata, started.metadataType), ...idempotencyOf(header) }),
    ...ancestorsOf(header),
    durationMs: live.usageMs,
    costInCents: 0,
    baseCostInCents: 0,
  };
}

/** What the trigger asked for wins over what the task declares. */
function runLimits({ header, version }: StartedAttempt) {
  const { options } = header;
  const task = version.tasks.get(header.task);
  return {
    maxAttempts: options.maxAttempts ?? task?.retry?.maxAttempts,
    maxDuration: options.maxDuration ?? task?.maxDuration,
    priority: options.priority,
    realtimeStreamsVersion: options.realtimeStreamsVersion,
  };
}

/** The key as the user wrote it, where that is known. */
function idempotencyOf({ options, idempotencyKey }: RunHeader) {
  const written = options.idempotencyKeyOptions;
  return { idempotencyKey: written?.key ?? idempotencyKey, idempotencyKeyScope: written?.scope };
}

/** Their absence is what tells a root run: metadata updates of parent and root go by it. */
function ancestorsOf({ parentId, rootId }: RunHeader) {
  return {
    ...(parentId ? { parentTaskRunId: friendlyId("run", parentId) } : {}),
    ...(rootId ? { rootTaskRunId: friendlyId("run", rootId) } : {}),
  };
}

function defined<T extends Record<string, unknown>>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)) as Partial<T>;
}

/**
 * Variables that every run process gets from us, over the user's own. In dev the CLI adds address and key itself. No
 * TRIGGER_VERSION: the SDK would lock every run that a task triggers to it, and those go to the current version.
 */
export function platformVariables(urls: { origin: string; otlpEndpoint: string }, env: EnvironmentView): Record<string, string> {
  return {
    ...(env.type === "DEVELOPMENT" ? {} : deployedVariables(urls.origin, env)),
    TRIGGER_OTEL_EXPORTER_OTLP_ENDPOINT: urls.otlpEndpoint,
    OTEL_EXPORTER_OTLP_ENDPOINT: urls.otlpEndpoint,
    TRIGGER_OTEL_BATCH_PROCESSING_ENABLED: "1",
    TRIGGER_STREAM_URL: urls.origin,
  };
}

function deployedVariables(origin: string, env: EnvironmentView): Record<string, string> {
  return {
    TRIGGER_API_URL: origin,
    TRIGGER_SECRET_KEY: env.secretKey,
    TRIGGER_ORG_ID: env.organization.id,
    ...(env.branchName ? { TRIGGER_PREVIEW_BRANCH: env.branchName } : {}),
  };
}
