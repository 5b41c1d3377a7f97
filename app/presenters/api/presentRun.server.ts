/** The run object of the public API. Absent fields are left out: the clients' schemas refuse null. */
import type { EnvironmentDirectory, EnvironmentView } from "../../environments/types";
import { publicStatus, type PublicRunStatus, type RunStatus } from "../../runops/runStates";
import type { RunListItem } from "../../runops/runStore";
import { parseMetadata, type Metadata } from "../../runs/metadata/metadata.server";
import { friendlyId } from "../../utils/ids";

/** `current`: status names of API version 2025-07-16; `old`: those before it, for callers that name no version. */
export type Vocabulary = "current" | "old";
/** A status as either vocabulary shows it. */
export type ShownRunStatus = PublicRunStatus | "FROZEN" | "REATTEMPTING";

/** Fields that every view of a run shares. */
export type PresentedRun = {
  id: string;
  status: ShownRunStatus;
  taskIdentifier: string;
  idempotencyKey?: string;
  version?: string;
  isQueued: boolean;
  isExecuting: boolean;
  isWaiting: boolean;
  isCompleted: boolean;
  isSuccess: boolean;
  isFailed: boolean;
  isCancelled: boolean;
  isTest: boolean;
  createdAt: string;
  updatedAt: string;
  startedAt?: string;
  finishedAt?: string;
  delayedUntil?: string;
  ttl?: string;
  expiredAt?: string;
  tags: string[];
  costInCents: number;
  baseCostInCents: number;
  durationMs: number;
  metadata?: Metadata;
  region?: string;
};

/** What the related runs of a run add. */
export type PresentedRelative = PresentedRun & { depth: number; triggerFunction: string; batchId?: string };

const QUEUED: ReadonlySet<PublicRunStatus> = new Set(["DELAYED", "QUEUED", "PENDING_VERSION"]);
const EXECUTING: ReadonlySet<PublicRunStatus> = new Set(["DEQUEUED", "EXECUTING"]);
const FAILED: ReadonlySet<PublicRunStatus> = new Set(["FAILED", "CRASHED", "SYSTEM_FAILURE", "EXPIRED", "TIMED_OUT"]);

/** The vocabulary that a request asks for by `x-trigger-api-version`. */
export function vocabularyOf(request: Request): Vocabulary {
  return request.headers.get("x-trigger-api-version") === null ? "old" : "current";
}

/** The status name of a stored status in a vocabulary. */
export function shownStatus(status: RunStatus, vocabulary: Vocabulary): ShownRunStatus {
  if (vocabulary === "current") return publicStatus(status);
  if (status === "DEQUEUED") return "EXECUTING";
  if (status === "WAITING_TO_RESUME") return "FROZEN";
  return status === "RETRYING_AFTER_FAILURE" ? "REATTEMPTING" : publicStatus(status);
}

/** What `status` means, as booleans. `isCompleted` holds for every final status: clients poll until it does. */
export function statusFlags(status: RunStatus) {
  const shown = publicStatus(status);
  const isQueued = QUEUED.has(shown);
  const isExecuting = EXECUTING.has(shown);
  const isWaiting = shown === "WAITING";
  return {
    isQueued,
    isExecuting,
    isWaiting,
    isCompleted: !isQueued && !isExecuting && !isWaiting,
    isSuccess: shown === "COMPLETED",
    isFailed: FAILED.has(shown),
    isCancelled: shown === "CANCELED",
  };
}

/** What presenting needs beside the run. */
export type PresentContext = { directory: Pick<EnvironmentDirectory, "workerVersion">; env: EnvironmentView; vocabulary: Vocabulary };

/** The common fields of one run. */
export async function presentRun(run: RunListItem, context: PresentContext): Promise<PresentedRun> {
  const { header } = run;
  const worker = run.versionId === null ? null : await context.directory.workerVersion(run.versionId);
  return {
    id: friendlyId("run", header.id),
    status: shownStatus(run.status, context.vocabulary),
    taskIdentifier: header.task,
    idempotencyKey: header.options.idempotencyKeyOptions?.key ?? header.idempotencyKey ?? undefined,
    version: worker?.version ?? header.options.lockToVersion,
    ...statusFlags(run.status),
    isTest: header.isTest,
    ...times(run),
    ttl: header.options.ttl,
    tags: header.tags,
    costInCents: run.costInCents,
    baseCostInCents: 0,
    durationMs: run.usageMs,
    metadata: await parseMetadata(run.metadata, run.metadataType),
    region: context.env.type === "DEVELOPMENT" ? undefined : header.region,
  };
}

/** The common fields plus the run's place in its tree. */
export async function presentRelative(run: RunListItem, context: PresentContext): Promise<PresentedRelative> {
  const { header } = run;
  return {
    ...(await presentRun(run, context)),
    depth: header.depth,
    triggerFunction: header.options.triggerFunction ?? "trigger",
    batchId: header.batchId === null ? undefined : friendlyId("batch", header.batchId),
  };
}

function times(run: RunListItem) {
  const finishedAt = iso(run.completedAt);
  return {
    createdAt: run.header.createdAt.toISOString(),
    updatedAt: run.updatedAt.toISOString(),
    startedAt: iso(run.startedAt),
    finishedAt,
    delayedUntil: run.status === "DELAYED" ? iso(run.dueAt) : run.header.options.delayUntil,
    expiredAt: run.status === "EXPIRED" ? finishedAt : undefined,
  };
}

function iso(date: Date | null): string | undefined {
  return date?.toISOString();
}
