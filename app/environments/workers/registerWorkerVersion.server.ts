/** Stores a worker version. Versions are `YYYYMMDD.n`; one registration of an environment at a time, so that n is never given twice. */
import type { CreateBackgroundWorkerRequestBody } from "@trigger.dev/core/v3/schemas";
import type { Clock } from "../../platform/clock";
import { inTransaction, type Pool, type PoolClient } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { AppError } from "../../utils/appError";
import { mintId } from "../../utils/ids";
import { toPostgresJson, toPostgresText } from "../postgresJson";
import { queuesOf, tasksOf, tasksWithUnsupportedLimits, type QueueDeclaration } from "./workerManifest";
import type { TaskConfig } from "../types";

export type RegisterWorkerVersion = {
  envId: string;
  body: CreateBackgroundWorkerRequestBody;
};
export type RegisterDeployedVersion = RegisterWorkerVersion & {
  /** Of the deployment; a worker of the same version is a unique violation of the table. */
  version: string;
};
export type RegisteredWorker = {
  /** Without prefix; the wire shows `worker_<id>`. */
  id: string;
  version: string;
  contentHash: string;
  /** False when the newest version had the same content and was returned again. */
  created: boolean;
  /** Tasks that declare named or per-key concurrency limits, which nothing enforces. */
  tasksWithUnsupportedLimits: string[];
};

const NEWEST_SQL = loadScript("environments/sql/worker-newest.sql");
const INSERT_SQL = loadScript("environments/sql/worker-insert.sql");
const LOCK_SQL = "SELECT type FROM environment WHERE id = $1 AND archived_at IS NULL FOR NO KEY UPDATE";
const SET_CURRENT_SQL =
  "UPDATE environment SET current_worker_id = $2, updated_at = $3 WHERE id = $1 AND current_worker_id IS DISTINCT FROM $2";

type Newest = { id: string | null; content_hash: string; version: string; created_at: Date | null; next_number: number };
type Prepared = { tasks: TaskConfig[]; queues: QueueDeclaration[] };

export class RegisterWorkerVersionService {
  constructor(private readonly deps: { pool: Pool; clock: Clock }) {}

  /**
   * The same content as the newest version answers that one again: the CLI registers on every restart. In dev the
   * version becomes the current one. Throws 400 for a manifest that cannot be stored, 404 for an unknown environment.
   */
  async call(input: RegisterWorkerVersion): Promise<RegisteredWorker> {
    const { metadata } = input.body;
    const prepared = { tasks: tasksOf(metadata), queues: queuesOf(metadata) };
    const contentHash = toPostgresText(metadata.contentHash, 256);
    if (contentHash.length === 0) throw new AppError("invalid_content_hash", 400, "metadata.contentHash is empty.");
    const stored = await inTransaction(this.deps.pool, async (tx) => {
      const environment = await tx.query<{ type: string }>(LOCK_SQL, [input.envId]);
      const type = environment.rows[0]?.type;
      if (!type) throw new AppError("environment_not_found", 404, "Environment not found: it was archived or deleted.");
      const now = this.deps.clock.now();
      const newest = await tx.query<Newest>(NEWEST_SQL, [input.envId, dayOf(now)]);
      const worker = await this.reuseOrInsert({ tx, input, prepared, contentHash, now, newest: newest.rows[0] });
      if (type === "DEVELOPMENT") await tx.query(SET_CURRENT_SQL, [input.envId, worker.id, new Date(now)]);
      return worker;
    });
    return { ...stored, contentHash, tasksWithUnsupportedLimits: tasksWithUnsupportedLimits(metadata) };
  }

  /**
   * A worker that a deployment has built, in the transaction that ties the two. It gets the deployment's version and does
   * not become current: that is the promotion's. Throws 400 for a manifest that cannot be stored.
   */
  async deployed(tx: PoolClient, input: RegisterDeployedVersion): Promise<RegisteredWorker> {
    const { metadata } = input.body;
    const prepared = { tasks: tasksOf(metadata), queues: queuesOf(metadata) };
    const contentHash = toPostgresText(metadata.contentHash, 256);
    if (contentHash.length === 0) throw new AppError("invalid_content_hash", 400, "metadata.contentHash is empty.");
    const at = this.deps.clock.now();
    const id = mintId(at);
    await tx.query(INSERT_SQL, insertValues({ id, version: input.version, contentHash, at, input, prepared }));
    const unsupported = tasksWithUnsupportedLimits(metadata);
    return { id, version: input.version, contentHash, created: true, tasksWithUnsupportedLimits: unsupported };
  }

  private async reuseOrInsert(work: {
    tx: PoolClient;
    input: RegisterWorkerVersion;
    prepared: Prepared;
    contentHash: string;
    now: number;
    newest: Newest | undefined;
  }): Promise<{ id: string; version: string; created: boolean }> {
    const { tx, input, prepared, contentHash, newest } = work;
    if (newest?.id && newest.content_hash === contentHash) return { id: newest.id, version: newest.version, created: false };
    // "Newest" is decided by time, so a clock that went back must not put this one behind.
    const at = Math.max(work.now, (newest?.created_at?.getTime() ?? 0) + 1);
    const id = mintId(at);
    const version = `${dayOf(work.now)}.${newest?.next_number ?? 1}`;
    await tx.query(INSERT_SQL, insertValues({ id, version, contentHash, at, input, prepared }));
    return { id, version, created: true };
  }
}

type Insertion = { id: string; version: string; contentHash: string; at: number; input: RegisterWorkerVersion; prepared: Prepared };

function insertValues(insertion: Insertion): unknown[] {
  const { id, version, contentHash, at, input, prepared } = insertion;
  const { metadata } = input.body;
  const tasks = prepared.tasks.map(({ slug, filePath, exportName, triggerSource, ...config }) => ({
    id: mintId(at),
    slug,
    filePath,
    exportName,
    triggerSource,
    config,
  }));
  const queues = prepared.queues.map((queue) => ({ id: mintId(at), ...queue }));
  return [
    id,
    input.envId,
    version,
    contentHash,
    toPostgresText(metadata.packageVersion, 64),
    toPostgresText(metadata.cliPackageVersion ?? metadata.packageVersion, 64),
    metadata.runtime === undefined ? null : toPostgresText(metadata.runtime, 64),
    metadata.runtimeVersion === undefined ? null : toPostgresText(metadata.runtimeVersion, 64),
    input.body.supportsLazyAttempts ?? false,
    prepared.queues.map((queue) => queue.name),
    toPostgresJson(storedMetadata(metadata)),
    new Date(at),
    toPostgresJson(tasks),
    toPostgresJson(queues),
  ];
}

/** The manifest without the sources themselves: they are megabytes, and the files are on the developer's disk. */
function storedMetadata(metadata: CreateBackgroundWorkerRequestBody["metadata"]): unknown {
  const sourceFiles = metadata.sourceFiles?.map(({ filePath, contentHash, taskIds }) => ({ filePath, contentHash, taskIds }));
  return { ...metadata, tasks: undefined, queues: undefined, sourceFiles };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10).replaceAll("-", "");
}
