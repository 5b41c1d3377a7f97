/** Views of tenancy that the rest of the server works with; built by `EnvironmentDirectory`, cached, never mutated. */
import type { RetryConfig } from "../runops/runStore";

export type EnvironmentType = "DEVELOPMENT" | "STAGING" | "PRODUCTION" | "PREVIEW";
/** dev, staging, prod, preview: the names in URLs, in the CLI and in credentials.json. */
export type EnvironmentSlug = "dev" | "staging" | "prod" | "preview";

export type EnvironmentView = {
  id: string;
  slug: EnvironmentSlug;
  type: EnvironmentType;
  /** Set for preview branches. */
  branchName: string | null;
  parentId: string | null;
  /** The plain key: the SDK signs public tokens with it, so the server verifies with it. */
  secretKey: string;
  /** Keys that still verify until their grace ends. */
  graceKeys: { key: string; until: Date }[];
  maxConcurrency: number;
  burstFactor: number;
  pausedAt: Date | null;
  archivedAt: Date | null;
  /** Dev: newest worker; deployed: worker of the current deployment. */
  currentWorkerId: string | null;
  /** Where its runs are handed out: the environment's id for dev, else a region's name. */
  region: string;
  project: { id: string; ref: string; slug: string; name: string; defaultRegion: string | null };
  organization: { id: string; slug: string; title: string };
};

/** A task as one worker version declares it; immutable. */
export type TaskConfig = {
  slug: string;
  filePath: string;
  exportName: string | null;
  description: string | null;
  triggerSource: string;
  queue: string;
  retry: RetryConfig | null;
  machine: string | null;
  maxDuration: number | null;
  ttlSeconds: number | null;
  payloadSchema: unknown;
  /** Declared in code. Live schedules are written when the version becomes current. */
  schedule?: { cron: string; timezone: string; environments?: string[] };
};

/** A registered worker version; immutable, so it is cached without expiry. */
export type WorkerVersion = {
  id: string;
  envId: string;
  version: string;
  contentHash: string;
  sdkVersion: string;
  cliVersion: string;
  runtime: string | null;
  createdAt: Date;
  tasks: ReadonlyMap<string, TaskConfig>;
  /** Queue names that exist on this version. */
  queues: ReadonlySet<string>;
};

export type QueueView = {
  id: string;
  envId: string;
  name: string;
  type: "task" | "custom";
  /** Effective limit: the override while one is active, else the one from code; null: the environment's. */
  limit: number | null;
  base: number | null;
  overriddenAt: Date | null;
  pausedAt: Date | null;
};

/** Cached reads of the control plane; entries are dropped within 1 s of a change made by any process. */
export interface EnvironmentDirectory {
  /** By full secret key, current or in grace; null when unknown, revoked or archived. */
  bySecretKey(key: string): Promise<EnvironmentView | null>;
  byId(envId: string): Promise<EnvironmentView | null>;
  bySlug(projectRef: string, slug: string, branch: string | null): Promise<EnvironmentView | null>;
  workerVersion(versionId: string): Promise<WorkerVersion | null>;
  versionByName(envId: string, version: string): Promise<WorkerVersion | null>;
  queues(envId: string): Promise<QueueView[]>;
  /** Decrypted variables that a run of the environment gets. */
  variables(envId: string): Promise<Record<string, string>>;
}

/** A change of configuration, as every process hears of it within 1 s. */
export type ConfigChange = {
  scope: "environment" | "key" | "queue" | "worker" | "variables" | "token" | "user" | "project" | "organization" | "flag" | "everything";
  /** The environment for the first five; the row's own id else; null for `everything`. */
  id: string | null;
};
export interface ConfigChanges {
  /** Returns the unsubscribe. */
  subscribe(listener: (change: ConfigChange) => void): () => void;
}
