/** Releases: their bytes in a store, a row each in the database. */
import type { Readable } from "node:stream";
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import { AppError } from "../../utils/appError";
import type { Queryable } from "../ports";
import { DigestMismatchError, hexOf, ReleaseTooLargeError, type ByteRange, type ReleaseStore } from "./releaseStore";

export type ReleaseRow = { digest: string; platform: string; nodeAbi: string; bytes: number };

export type OpenedRelease = { bytes: number; stream: Readable };

const KEEP_SQL =
  "INSERT INTO release (digest, platform, node_abi, bytes, location, created_at, last_used_at) VALUES ($1, $2, $3, $4, $5, $6, $6) " +
  "ON CONFLICT (digest) DO UPDATE SET last_used_at = greatest(release.last_used_at, excluded.last_used_at), location = excluded.location";
const FIND_SQL = 'SELECT digest, platform, node_abi AS "nodeAbi", bytes FROM release WHERE digest = $1';
const ROW_LOCK_SQL = "SELECT digest FROM release WHERE digest = $1 FOR UPDATE";
const USED_SQL = "UPDATE release SET last_used_at = greatest(last_used_at, $2) WHERE digest = $1";

export class Releases {
  constructor(
    private readonly deps: {
      pool: Pool;
      clock: Clock;
      store: ReleaseStore;
    }
  ) {}

  /** Keeps a release and its row. Throws AppError 400 for other bytes than the digest names, 413 for too many. */
  async keep(release: Omit<ReleaseRow, "bytes">, bytes: Readable): Promise<ReleaseRow> {
    const { store, pool, clock } = this.deps;
    requireDigest(release.digest);
    const { bytes: size } = await store.put(release.digest, bytes).catch(refuse);
    const row = { ...release, bytes: size };
    const values = [row.digest, row.platform, row.nodeAbi, row.bytes, store.location(row.digest), new Date(clock.now())];
    await pool.query(KEEP_SQL, values);
    return row;
  }

  /** The row, when the bytes are there too. It counts as used now, so that no sweep takes it away from under a build. */
  async find(digest: string): Promise<ReleaseRow | null> {
    if (hexOf(digest) === null) return null;
    const { pool, store, clock } = this.deps;
    const { rows } = await pool.query<ReleaseRow>(FIND_SQL, [digest]);
    if (!rows[0] || !(await store.has(digest))) return null;
    await pool.query(USED_SQL, [digest, new Date(clock.now())]);
    return rows[0];
  }

  /** True when the row is there, which stays so until the caller's transaction ends. */
  async lock(db: Queryable, digest: string): Promise<boolean> {
    const { rows } = await db.query<{ digest: string }>(ROW_LOCK_SQL, [digest]);
    return rows.length > 0;
  }

  /** The bytes, or a part of them. Throws AppError 404. */
  async open(digest: string, range?: ByteRange): Promise<OpenedRelease> {
    const { store } = this.deps;
    const stat = hexOf(digest) === null ? null : await store.stat(digest);
    const stream = stat ? await store.open(digest, range) : null;
    if (stat && stream) return { bytes: stat.bytes, stream };
    throw releaseNotFound(digest);
  }

  /** Size in bytes. Throws AppError 404. */
  async size(digest: string): Promise<number> {
    const stat = hexOf(digest) === null ? null : await this.deps.store.stat(digest);
    if (stat) return stat.bytes;
    throw releaseNotFound(digest);
  }

  /** Removes the bytes; the row is the caller's. */
  async removeBytes(digest: string): Promise<void> {
    await this.deps.store.remove(digest);
  }
}

function releaseNotFound(digest: string): AppError {
  return new AppError("release_not_found", 404, `There is no release ${digest.slice(0, 80)}. It may have been removed; deploy again.`);
}

function requireDigest(digest: string): void {
  if (hexOf(digest) === null) throw new AppError("invalid_digest", 400, "A release is named by sha256: and 64 hexadecimal digits.");
}

function refuse(error: unknown): never {
  if (error instanceof DigestMismatchError) throw new AppError("digest_mismatch", 400, error.message);
  if (error instanceof ReleaseTooLargeError) throw new AppError("release_too_large", 413, error.message);
  throw error;
}
