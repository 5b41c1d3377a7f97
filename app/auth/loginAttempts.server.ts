/** Failed sign-ins, counted in Postgres so that the limit holds across processes. Buckets are hashes: no address is stored. */
import { createHash } from "node:crypto";
import type { Clock } from "../platform/clock";
import type { Pool } from "../platform/db.server";
import { loadScript } from "../platform/scripts.server";

const FAILURE_SQL = loadScript("auth/sql/login-failure.sql");
const BLOCKED_SQL = "SELECT bucket, failures, window_ends FROM login_attempt WHERE bucket = ANY($1::bytea[]) AND window_ends > $2";
const TAKE_BACK_SQL = "UPDATE login_attempt SET failures = failures - 1 WHERE bucket = ANY($1::bytea[]) AND failures > 0";
const CLEAR_SQL = "DELETE FROM login_attempt WHERE bucket = $1 OR window_ends <= $2";
const WINDOW_MS = 15 * 60_000;
/** One address may mistype for several people; one e-mail is guessed from many addresses. */
const PER_ADDRESS_FACTOR = 5;
const PER_EMAIL_FACTOR = 10;

/** What callers pass when the socket's address did not reach them. */
export const UNKNOWN_ADDRESS = "unknown";

type Bucket = { hash: Buffer; limit: number };
type Row = { bucket: Buffer; failures: number; window_ends: Date };

export class LoginAttempts {
  constructor(private readonly deps: { pool: Pool; clock: Clock; limit: number }) {}

  /**
   * Counts an attempt before the password is looked at, so that many at once cannot slip through together. Returns 0, or
   * the seconds until the next attempt is allowed.
   */
  async begin(who: { email: string; address: string }): Promise<number> {
    const now = this.deps.clock.now();
    const buckets = this.buckets(who);
    const hashes = buckets.map((bucket) => bucket.hash).sort(Buffer.compare);
    await this.deps.pool.query(FAILURE_SQL, [hashes, new Date(now), new Date(now + WINDOW_MS)]);
    const { rows } = await this.deps.pool.query<Row>(BLOCKED_SQL, [hashes, new Date(now)]);
    const over = rows.filter((row) => row.failures > (buckets.find((bucket) => bucket.hash.equals(row.bucket))?.limit ?? 0));
    const latest = Math.max(0, ...over.map((row) => row.window_ends.getTime() - now));
    return Math.ceil(latest / 1_000);
  }

  /** A success clears the count of this e-mail from this address, takes its own attempt back elsewhere, and sweeps ended windows. */
  async succeeded(who: { email: string; address: string }): Promise<void> {
    const [both, ...others] = this.buckets(who);
    if (!both) return;
    await this.deps.pool.query(TAKE_BACK_SQL, [others.map((bucket) => bucket.hash)]);
    await this.deps.pool.query(CLEAR_SQL, [both.hash, new Date(this.deps.clock.now())]);
  }

  private buckets({ email, address }: { email: string; address: string }): Bucket[] {
    const hash = (...parts: string[]) => createHash("sha256").update(JSON.stringify(parts)).digest();
    const { limit } = this.deps;
    const both = { hash: hash("both", email, address), limit };
    return [
      both,
      // An unknown address would be everyone's: counting it would let one caller lock out all.
      ...(address === UNKNOWN_ADDRESS ? [] : [{ hash: hash("address", address), limit: limit * PER_ADDRESS_FACTOR }]),
      { hash: hash("email", email), limit: limit * PER_EMAIL_FACTOR },
    ];
  }
}
