/** Tokens of agents: stored as a hash, shown once. A token is of a region, and any number of agents may share it. */
import { hashCredential, obfuscateToken, randomText } from "../../environments/tenancy/keys.server";
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import { AppError } from "../../utils/appError";
import { mintId } from "../../utils/ids";

const TOKEN_CHARS = 40;
const INSERT_SQL = "INSERT INTO agent_token (id, region_id, token_hash, obfuscated, created_at) VALUES ($1, $2, $3, $4, $5)";
const LIST_SQL =
  "SELECT id, obfuscated, created_at FROM agent_token WHERE region_id = $1 AND revoked_at IS NULL ORDER BY created_at DESC, id DESC LIMIT 200";
const REVOKE_SQL = "UPDATE agent_token SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
const FOREIGN_KEY_VIOLATION = "23503";

/** A token as lists show it. */
export type ShownAgentToken = { id: string; obfuscated: string; createdAt: Date };

/** True for text that could be an agent token of ours; anything else needs no lookup. */
export function looksLikeAgentToken(text: string): boolean {
  return /^tr_wgt_[0-9A-Za-z]{16,64}$/.test(text);
}

export class AgentTokens {
  constructor(private readonly deps: { pool: Pool; clock: Clock }) {}

  /** The only time that the token itself is seen. Throws 404 for an unknown region. */
  async create(regionId: string): Promise<{ id: string; token: string; obfuscated: string }> {
    const token = `tr_wgt_${randomText(TOKEN_CHARS)}`;
    const now = this.deps.clock.now();
    const created = { id: mintId(now), token, obfuscated: obfuscateToken(token) };
    try {
      await this.deps.pool.query(INSERT_SQL, [created.id, regionId, hashCredential(token), created.obfuscated, new Date(now)]);
    } catch (error) {
      if ((error as { code?: string }).code !== FOREIGN_KEY_VIOLATION) throw error;
      throw new AppError("region_not_found", 404, "There is no such region. It may have been removed.");
    }
    return created;
  }

  /** Newest first, revoked ones left out. */
  async list(regionId: string): Promise<ShownAgentToken[]> {
    const { rows } = await this.deps.pool.query<{ id: string; obfuscated: string; created_at: Date }>(LIST_SQL, [regionId]);
    return rows.map((row) => ({ id: row.id, obfuscated: row.obfuscated, createdAt: row.created_at }));
  }

  /** Ends the calls of its agents within a second. Throws 404 when there is no such token. */
  async revoke(tokenId: string): Promise<void> {
    const { rowCount } = await this.deps.pool.query(REVOKE_SQL, [tokenId, new Date(this.deps.clock.now())]);
    if (rowCount === 0) throw new AppError("token_not_found", 404, "There is no such token. It may have been revoked already.");
  }
}
