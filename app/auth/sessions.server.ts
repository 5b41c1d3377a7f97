/** Dashboard sessions: a random token in a cookie, its hash in Postgres; signing out or disabling a user ends them at once. */
import type { Clock } from "../platform/clock";
import type { Pool } from "../platform/db.server";
import { loadScript } from "../platform/scripts.server";
import { hashCredential, randomText } from "../environments/tenancy/keys.server";
import type { UserCaller } from "./types";

export const SESSION_COOKIE = "sluice_session";
const FIND_SQL = loadScript("auth/sql/dashboard-session.sql");
const INSERT_SQL = "INSERT INTO dashboard_session (token_hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)";
const DELETE_SQL = "DELETE FROM dashboard_session WHERE token_hash = $1 OR expires_at <= $2";
const DELETE_OTHERS_SQL = "DELETE FROM dashboard_session WHERE user_id = $1 AND token_hash <> $2";
const DAY_MS = 86_400_000;
const TOKEN_CHARS = 43;

type Row = { user_id: string; email: string; admin: boolean; organization_ids: string[] };

export class Sessions {
  constructor(private readonly deps: { pool: Pool; clock: Clock; days: number; secure: boolean }) {}

  /** Begins a session; returns the value for `Set-Cookie`. */
  async create(userId: string): Promise<string> {
    const token = randomText(TOKEN_CHARS);
    const now = this.deps.clock.now();
    const expiresAt = new Date(now + this.deps.days * DAY_MS);
    await this.deps.pool.query(INSERT_SQL, [hashCredential(token), userId, new Date(now), expiresAt]);
    return this.cookie(token, this.deps.days * 86_400);
  }

  /** The person signed in, or null. */
  async find(request: Request): Promise<UserCaller | null> {
    const token = sessionTokenOf(request);
    if (token === null) return null;
    const values = [hashCredential(token), new Date(this.deps.clock.now())];
    const { rows } = await this.deps.pool.query<Row>({ name: "cp-session", text: FIND_SQL, values });
    const row = rows[0];
    if (!row) return null;
    return { userId: row.user_id, email: row.email, isAdmin: row.admin, organizationIds: row.organization_ids, via: "session" };
  }

  /** Ends the session of the request; returns the value for `Set-Cookie` that removes it from the browser. */
  async destroy(request: Request): Promise<string> {
    const token = sessionTokenOf(request);
    if (token !== null) await this.deps.pool.query(DELETE_SQL, [hashCredential(token), new Date(this.deps.clock.now())]);
    return this.cookie("", 0);
  }

  /** Ends every other session of a user: after a change of password. */
  async destroyOthers(userId: string, request: Request): Promise<void> {
    const token = sessionTokenOf(request);
    await this.deps.pool.query(DELETE_OTHERS_SQL, [userId, hashCredential(token ?? "")]);
  }

  private cookie(value: string, maxAgeSeconds: number): string {
    const secure = this.deps.secure ? "; Secure" : "";
    return `${SESSION_COOKIE}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAgeSeconds}${secure}`;
  }
}

function sessionTokenOf(request: Request): string | null {
  for (const part of (request.headers.get("cookie") ?? "").split(";")) {
    const [name, value] = part.trim().split("=");
    if (name === SESSION_COOKIE && value && /^[0-9A-Za-z]{43}$/.test(value)) return value;
  }
  return null;
}
