/** One-time sign-in links: printed at start, so that the first sign-in needs neither a password nor a mail server. */
import type { Clock } from "../platform/clock";
import type { Pool } from "../platform/db.server";
import { hashCredential, randomText } from "../environments/tenancy/keys.server";

/** A day: a link printed in the morning works after lunch. */
const LIFETIME_MS = 24 * 3_600_000;
const TOKEN_CHARS = 43;
const INSERT_SQL = "INSERT INTO login_link (token_hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)";
const TRIM_SQL = "DELETE FROM login_link WHERE expires_at <= $1";
const USE_SQL = "UPDATE login_link SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2 RETURNING user_id";

export class LoginLinks {
  constructor(private readonly deps: { pool: Pool; clock: Clock; origin: string }) {}

  /** `<origin>/login?token=…`; good once, for a day. */
  async create(userId: string): Promise<string> {
    const token = randomText(TOKEN_CHARS);
    const now = this.deps.clock.now();
    await this.deps.pool.query(TRIM_SQL, [new Date(now)]);
    await this.deps.pool.query(INSERT_SQL, [hashCredential(token), userId, new Date(now), new Date(now + LIFETIME_MS)]);
    return `${this.deps.origin}/login?token=${token}`;
  }

  /** The user of the link, which is used up by this; null when it was used, has expired or never was. */
  async use(token: string): Promise<{ userId: string } | null> {
    if (!/^[0-9A-Za-z]{43}$/.test(token)) return null;
    const { rows } = await this.deps.pool.query<{ user_id: string }>(USE_SQL, [hashCredential(token), new Date(this.deps.clock.now())]);
    return rows[0] ? { userId: rows[0].user_id } : null;
  }
}
