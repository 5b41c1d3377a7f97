/**
 * Cached reads of tenancy. A hit costs one or two Map lookups and no allocation; entries fall when `ConfigChanges` says
 * so. A secret key is checked against the environment's view on every call, so that revoking needs one entry to fall.
 */
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { errorMessage, type Logger } from "../../platform/logger";
import { RetryableError } from "../../utils/appError";
import { DirectoryCache, type Freshness } from "./directoryCache";
import {
  environmentViewOf,
  queueViewOf,
  workerVersionOf,
  type EnvironmentRow,
  type QueueRow,
  type WorkerRow,
} from "./directoryRows.server";
import { hashCredential, looksLikeSecretKey } from "../tenancy/keys.server";
import { sealContext, type SecretBox } from "../secretBox.server";
import type { ConfigChange, ConfigChanges, EnvironmentDirectory, EnvironmentView, QueueView, WorkerVersion } from "../types";

const SQL = {
  byId: loadScript("environments/sql/environment-by-id.sql"),
  idByKey: loadScript("environments/sql/environment-id-by-key.sql"),
  idBySlug: loadScript("environments/sql/environment-id-by-slug.sql"),
  worker: loadScript("environments/sql/worker-version.sql"),
  queues: loadScript("environments/sql/queues.sql"),
  variables: loadScript("environments/sql/variables.sql"),
};
const MAX_ENVIRONMENTS = 10_000;
const MAX_WORKERS = 2_000;
const MAX_VARIABLE_SETS = 2_000;
const ROOT_BRANCHES = new Set(["", "default"]);

export type DirectoryOptions = {
  pool: Pool;
  secretBox: SecretBox;
  changes: ConfigChanges & Freshness;
  clock: Clock;
  log: Logger;
};

/** The directory of this process; `changes` must be started for it to keep anything longer than 500 ms. */
export function createDirectory(options: DirectoryOptions): EnvironmentDirectory & { stop(): void } {
  return new CachedDirectory(options);
}

class CachedDirectory implements EnvironmentDirectory {
  private readonly views: DirectoryCache<EnvironmentView>;
  private readonly idsByKey: DirectoryCache<{ id: string }>;
  private readonly idsBySlug: DirectoryCache<{ id: string }>;
  private readonly workers: DirectoryCache<WorkerVersion>;
  private readonly workerIdsByName: DirectoryCache<{ id: string }>;
  private readonly queueLists: DirectoryCache<QueueView[]>;
  private readonly variableSets: DirectoryCache<Record<string, string>>;
  private readonly unsubscribe: () => void;

  constructor(private readonly options: DirectoryOptions) {
    const cache = <V extends object>(name: string, maxEntries: number) =>
      new DirectoryCache<V>({ name, maxEntries, clock: options.clock, freshness: options.changes, log: options.log });
    this.views = cache("environments", MAX_ENVIRONMENTS);
    this.idsByKey = cache("keys", MAX_ENVIRONMENTS);
    this.idsBySlug = cache("slugs", MAX_ENVIRONMENTS);
    this.workers = cache("workers", MAX_WORKERS);
    this.workerIdsByName = cache("versions", MAX_WORKERS);
    this.queueLists = cache("queues", MAX_ENVIRONMENTS);
    this.variableSets = cache("variables", MAX_VARIABLE_SETS);
    this.unsubscribe = options.changes.subscribe((change) => this.changed(change));
  }

  stop(): void {
    this.unsubscribe();
  }

  async bySecretKey(key: string): Promise<EnvironmentView | null> {
    if (!looksLikeSecretKey(key)) return null;
    const owner = this.idsByKey.peek(key) ?? (await this.idsByKey.get(key, () => this.loadIdByKey(key)));
    if (!owner) return null;
    const view = this.views.peek(owner.id) ?? (await this.byId(owner.id));
    return view && view.archivedAt === null && this.isKeyOf(view, key) ? view : null;
  }

  byId(envId: string): Promise<EnvironmentView | null> {
    return this.views.get(envId, () => this.loadView(envId));
  }

  async bySlug(projectRef: string, slug: string, branch: string | null): Promise<EnvironmentView | null> {
    const branchName = branch === null || ROOT_BRANCHES.has(branch) ? null : branch;
    const place = JSON.stringify([projectRef, slug === "stg" ? "staging" : slug, branchName]);
    const found = await this.idsBySlug.get(place, () => this.loadIdBySlug(place));
    const view = found ? await this.byId(found.id) : null;
    return view && view.archivedAt === null ? view : null;
  }

  workerVersion(versionId: string): Promise<WorkerVersion | null> {
    return this.workers.get(versionId, () => this.loadWorker([versionId, null, null]));
  }

  async versionByName(envId: string, version: string): Promise<WorkerVersion | null> {
    const found = await this.workerIdsByName.get(`${envId} ${version}`, () => this.loadWorker([null, envId, version]));
    return found ? this.workerVersion(found.id) : null;
  }

  async queues(envId: string): Promise<QueueView[]> {
    const queues = await this.queueLists.get(envId, async () => {
      const { rows } = await this.query<QueueRow>({ name: "cp-queues", text: SQL.queues, values: [envId] });
      return rows.map(queueViewOf);
    });
    return queues ?? [];
  }

  async variables(envId: string): Promise<Record<string, string>> {
    return (await this.variableSets.get(envId, () => this.loadVariables(envId))) ?? {};
  }

  /** The key was found by its hash, so this only has to say whether it still counts; grace ends without any change. */
  private isKeyOf(view: EnvironmentView, key: string): boolean {
    if (view.secretKey === key) return true;
    const now = this.options.clock.now();
    return view.graceKeys.some((grace) => grace.key === key && grace.until.getTime() > now);
  }

  /** Throws RetryableError: the statements are fixed, so what fails here is the database. */
  private async query<R extends object>(statement: { name: string; text: string; values: unknown[] }): Promise<{ rows: R[] }> {
    try {
      return await this.options.pool.query<R>(statement);
    } catch (error) {
      this.options.log.warn("directory.query_failed", { statement: statement.name, message: errorMessage(error) });
      throw new RetryableError("control_plane_unavailable", "The control-plane database does not answer. Try again in a moment.");
    }
  }

  private async loadIdByKey(key: string): Promise<{ id: string } | null> {
    const values = [hashCredential(key), new Date(this.options.clock.now())];
    const { rows } = await this.query<{ id: string }>({ name: "cp-env-id-by-key", text: SQL.idByKey, values });
    return rows[0] ?? null;
  }

  private async loadIdBySlug(place: string): Promise<{ id: string } | null> {
    const { rows } = await this.query<{ id: string }>({
      name: "cp-env-id-by-slug",
      text: SQL.idBySlug,
      values: JSON.parse(place) as (string | null)[],
    });
    return rows[0] ?? null;
  }

  private async loadView(envId: string): Promise<EnvironmentView | null> {
    const values = [envId, new Date(this.options.clock.now())];
    const { rows } = await this.query<EnvironmentRow>({ name: "cp-env-by-id", text: SQL.byId, values });
    return rows[0] ? environmentViewOf(rows[0], this.options.secretBox) : null;
  }

  private async loadWorker(values: (string | null)[]): Promise<WorkerVersion | null> {
    const { rows } = await this.query<WorkerRow>({ name: "cp-worker-version", text: SQL.worker, values });
    return workerVersionOf(rows);
  }

  private async loadVariables(envId: string): Promise<Record<string, string>> {
    type Row = { environment_id: string; key: string; value_cipher: Buffer };
    const { rows } = await this.query<Row>({ name: "cp-variables", text: SQL.variables, values: [envId] });
    const open = (row: Row) => this.options.secretBox.open(row.value_cipher, sealContext.variable(row.environment_id, row.key));
    return Object.fromEntries(rows.map((row) => [row.key, open(row)]));
  }

  private changed(change: ConfigChange): void {
    const { scope, id } = change;
    switch (scope) {
      case "environment":
      case "key":
      case "worker":
        return this.environmentChanged(id ?? "");
      case "queue":
        return this.queueLists.drop(id ?? "");
      case "variables":
        // A branch inherits its parent's variables, so one change may reach several environments.
        return this.variableSets.clear();
      case "project":
      case "organization":
        this.idsBySlug.clear();
        return this.views.dropWhere((_key, view) => view.project.id === id || view.organization.id === id);
      case "token":
      case "user":
      case "flag":
        return;
      case "everything":
        for (const cache of [this.views, this.idsByKey, this.idsBySlug, this.queueLists, this.variableSets]) cache.clear();
        this.workerIdsByName.clear();
        this.workers.clear();
    }
  }

  /** A parent's keys, pause and archival show in its branches. */
  private environmentChanged(envId: string): void {
    this.views.dropWhere((key, view) => key === envId || view.parentId === envId);
    this.idsByKey.dropWhere((_key, owner) => owner.id === envId);
    this.idsBySlug.dropWhere((_key, found) => found.id === envId);
    this.workerIdsByName.dropWhere((key) => key.startsWith(`${envId} `));
  }
}
