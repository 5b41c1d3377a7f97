/**
 * Removes uploads and releases that nothing needs. Each is checked again with its environments locked, and its bytes go
 * while the row is held: a crash in between leaves a row whose removal is repeated, never bytes without a row.
 */
import { inTransaction, type Pool, type PoolClient } from "../../platform/db.server";
import { errorMessage, type Logger } from "../../platform/logger";
import { loadScript } from "../../platform/scripts.server";
import type { Queryable } from "../ports";
import type { VersionsInUse } from "./versionsInUse";

const ARTIFACTS_SQL = loadScript("deployments/lifecycle/sql/artifacts-unneeded.sql");
const RELEASES_SQL = loadScript("deployments/lifecycle/sql/releases-unneeded.sql");
const LOCK_SQL = loadScript("deployments/lifecycle/sql/environments-lock.sql");
const LOCK_ARTIFACT_SQL = "SELECT 1 FROM artifact WHERE key = $1 FOR UPDATE";
const DELETE_ARTIFACT_SQL = "UPDATE artifact SET state = 'deleted' WHERE key = $1";
const LOCK_RELEASE_SQL = "SELECT 1 FROM release WHERE digest = $1 FOR UPDATE";
const FORGET_RELEASE_SQL = "UPDATE deployment SET release_digest = NULL, updated_at = $2 WHERE release_digest = $1";
const DELETE_RELEASE_SQL = "DELETE FROM release WHERE digest = $1";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How long what is kept after nobody needs it to run, in milliseconds; the newest releases of an environment are always kept. */
const RETENTION = {
  unusedUploadMs: DAY_MS,
  sourceMs: DAY_MS,
  bundleMs: 7 * DAY_MS,
  releaseMs: 30 * DAY_MS,
  newestReleases: 10,
} as const;

const PAGE = 100;

type Artifact = { key: string; environmentId: string };
type Release = { digest: string; versionIds: string[]; environmentIds: string[] };
export type Collected = { artifacts: number; releases: number };

export type GarbageDeps = {
  pool: Pool;
  log: Logger;
  versionsInUse: VersionsInUse;
  /** Removes the bytes; succeeds when there are none. */
  removeArtifact(key: string): Promise<void>;
  /** The same. */
  removeRelease(digest: string): Promise<void>;
};

export class CollectGarbageService {
  constructor(private readonly deps: GarbageDeps) {}

  /** A page of each; one that cannot be removed is logged and tried again with the next sweep. */
  async call(nowMs: number): Promise<Collected> {
    const { pool } = this.deps;
    const artifacts = await unneededArtifacts(pool, null, nowMs);
    const removedArtifacts = await this.each(artifacts, "artifact", (artifact) => this.removeArtifact(artifact, nowMs));
    return { artifacts: removedArtifacts, releases: await this.collectReleases(nowMs) };
  }

  private async collectReleases(nowMs: number): Promise<number> {
    const releases = await this.unlocked(await unneededReleases(this.deps.pool, null, nowMs));
    return this.each(releases, "release", (release) => this.removeRelease(release, nowMs));
  }

  private async each<T>(items: readonly T[], what: string, remove: (item: T) => Promise<boolean>): Promise<number> {
    let removed = 0;
    for (const item of items) {
      try {
        if (await remove(item)) removed += 1;
      } catch (error) {
        this.deps.log.warn("garbage.not_removed", { what, message: errorMessage(error) });
      }
    }
    return removed;
  }

  private removeArtifact({ key, environmentId }: Artifact, nowMs: number): Promise<boolean> {
    return inTransaction(this.deps.pool, async (tx) => {
      await lockEnvironments(tx, [environmentId]);
      await tx.query(LOCK_ARTIFACT_SQL, [key]);
      if ((await unneededArtifacts(tx, key, nowMs)).length === 0) return false;
      await this.deps.removeArtifact(key);
      await tx.query(DELETE_ARTIFACT_SQL, [key]);
      return true;
    });
  }

  private removeRelease({ digest, environmentIds }: Release, nowMs: number): Promise<boolean> {
    return inTransaction(this.deps.pool, async (tx) => {
      await lockEnvironments(tx, environmentIds);
      await tx.query(LOCK_RELEASE_SQL, [digest]);
      const [still] = await this.unlocked(await unneededReleases(tx, digest, nowMs));
      // An environment that began to use it after the locks were taken is not among the locked ones.
      if (!still || still.environmentIds.some((id) => !environmentIds.includes(id))) return false;
      await this.deps.removeRelease(digest);
      await tx.query(FORGET_RELEASE_SQL, [digest, new Date(nowMs)]);
      await tx.query(DELETE_RELEASE_SQL, [digest]);
      return true;
    });
  }

  /** Runs that are locked to a version may be handed out long after it was replaced. */
  private async unlocked(releases: Release[]): Promise<Release[]> {
    const versionIds = [...new Set(releases.flatMap((release) => release.versionIds))];
    if (versionIds.length === 0) return releases;
    const used = await this.deps.versionsInUse(versionIds, null);
    return releases.filter((release) => !release.versionIds.some((id) => used.has(id)));
  }
}

async function lockEnvironments(tx: PoolClient, ids: readonly string[]): Promise<void> {
  await tx.query(LOCK_SQL, [ids]);
}

async function unneededArtifacts(db: Queryable, key: string | null, nowMs: number): Promise<Artifact[]> {
  const before = [RETENTION.unusedUploadMs, RETENTION.sourceMs, RETENTION.bundleMs].map((ms) => new Date(nowMs - ms));
  const { rows } = await db.query<Artifact>(ARTIFACTS_SQL, [key, ...before, PAGE]);
  return rows;
}

async function unneededReleases(db: Queryable, digest: string | null, nowMs: number): Promise<Release[]> {
  const values = [digest, new Date(nowMs - RETENTION.releaseMs), RETENTION.newestReleases, PAGE];
  const { rows } = await db.query<Release>(RELEASES_SQL, values);
  return rows;
}
