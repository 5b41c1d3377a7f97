/** Rows of the directory's queries, and the views made of them. */
import { z } from "zod";
import { sealContext, type SecretBox } from "../secretBox.server";
import type { EnvironmentSlug, EnvironmentType, EnvironmentView, QueueView, TaskConfig, WorkerVersion } from "../types";

export type EnvironmentRow = {
  id: string;
  slug: EnvironmentSlug;
  type: EnvironmentType;
  branch_name: string | null;
  parent_id: string | null;
  max_concurrency: number;
  burst_factor: number;
  paused_at: Date | null;
  archived_at: Date | null;
  current_worker_id: string | null;
  key_owner_id: string;
  key_cipher: Buffer;
  project_id: string;
  external_ref: string;
  project_slug: string;
  project_name: string;
  default_region: string | null;
  organization_id: string;
  organization_slug: string;
  organization_title: string;
  grace_ciphers: Buffer[] | null;
  grace_untils: Date[] | null;
};

/** Where deployed runs are handed out when their project names no region of its own. */
const DEFAULT_REGION = "local";

/** Decrypts the keys; frozen, because every caller shares it. */
export function environmentViewOf(row: EnvironmentRow, secretBox: SecretBox): EnvironmentView {
  const open = (cipher: Buffer) => secretBox.open(cipher, sealContext.environmentKey(row.key_owner_id));
  const untils = row.grace_untils ?? [];
  return Object.freeze({
    id: row.id,
    slug: row.slug,
    type: row.type,
    branchName: row.branch_name,
    parentId: row.parent_id,
    secretKey: open(row.key_cipher),
    graceKeys: (row.grace_ciphers ?? []).map((cipher, i) => ({ key: open(cipher), until: untils[i] ?? new Date(0) })),
    maxConcurrency: row.max_concurrency,
    burstFactor: row.burst_factor,
    pausedAt: row.paused_at,
    archivedAt: row.archived_at,
    currentWorkerId: row.current_worker_id,
    region: row.type === "DEVELOPMENT" ? row.id : (row.default_region ?? DEFAULT_REGION),
    project: {
      id: row.project_id,
      ref: row.external_ref,
      slug: row.project_slug,
      name: row.project_name,
      defaultRegion: row.default_region,
    },
    organization: { id: row.organization_id, slug: row.organization_slug, title: row.organization_title },
  });
}

export type QueueRow = {
  id: string;
  environment_id: string;
  name: string;
  type: "task" | "custom";
  base_limit: number | null;
  override_limit: number | null;
  overridden_at: Date | null;
  paused_at: Date | null;
};

/** The override counts while `overridden_at` is set. */
export function queueViewOf(row: QueueRow): QueueView {
  return Object.freeze({
    id: row.id,
    envId: row.environment_id,
    name: row.name,
    type: row.type,
    limit: row.overridden_at ? row.override_limit : row.base_limit,
    base: row.base_limit,
    overriddenAt: row.overridden_at,
    pausedAt: row.paused_at,
  });
}

const nullableText = z.string().nullable().default(null);
const nullableNumber = z.number().nullable().default(null);

/** What `task.config` holds: everything of a task that is not a column. */
const StoredTaskConfig = z.object({
  description: nullableText,
  queue: z.string(),
  retry: z
    .object({
      maxAttempts: z.number().optional(),
      factor: z.number().optional(),
      minTimeoutInMs: z.number().optional(),
      maxTimeoutInMs: z.number().optional(),
      randomize: z.boolean().optional(),
      outOfMemory: z.object({ machine: z.string().optional() }).optional(),
    })
    .nullable()
    .default(null),
  machine: nullableText,
  maxDuration: nullableNumber,
  ttlSeconds: nullableNumber,
  payloadSchema: z.unknown().optional(),
});

export type WorkerRow = {
  id: string;
  environment_id: string;
  version: string;
  content_hash: string;
  sdk_version: string;
  cli_version: string;
  runtime: string | null;
  queue_names: string[];
  created_at: Date;
  slug: string | null;
  file_path: string | null;
  export_name: string | null;
  trigger_source: string | null;
  config: unknown;
};

/** Null for no rows. */
export function workerVersionOf(rows: readonly WorkerRow[]): WorkerVersion | null {
  const [first] = rows;
  if (!first) return null;
  const tasks = new Map<string, TaskConfig>();
  for (const row of rows) {
    if (row.slug === null) continue;
    const config = StoredTaskConfig.parse(row.config);
    tasks.set(row.slug, {
      slug: row.slug,
      filePath: row.file_path ?? "",
      exportName: row.export_name,
      triggerSource: row.trigger_source ?? "standard",
      ...config,
      payloadSchema: config.payloadSchema,
    });
  }
  return Object.freeze({
    id: first.id,
    envId: first.environment_id,
    version: first.version,
    contentHash: first.content_hash,
    sdkVersion: first.sdk_version,
    cliVersion: first.cli_version,
    runtime: first.runtime,
    createdAt: first.created_at,
    tasks,
    queues: new Set(first.queue_names),
  });
}
