/** Personal access tokens: stored as a hash, shown once. */
import type { Clock } from "../platform/clock";
import type { Pool } from "../platform/db.server";
import { loadScript } from "../platform/scripts.server";
import { hashCredential, looksLikePersonalAccessToken, mintPersonalAccessToken, obfuscateToken } from "../environments/tenancy/keys.server";
import type { ControlPlaneClient } from "../environments/prisma.server";
import { AppError } from "../utils/appError";
import { mintId } from "../utils/ids";
import type { UserCaller } from "./types";

export type ShownToken = { id: string; name: string; obfuscated: string; createdAt: Date; lastUsedAt: Date | null };
export type NewToken = { id: string; token: string; obfuscated: string };

const FIND_SQL = loadScript("auth/sql/personal-access-token.sql");
const MAX_NAME = 200;
const MAX_TOKENS = 200;

type Row = { user_id: string; email: string; admin: boolean; organization_ids: string[] };

export class PersonalAccessTokens {
  constructor(private readonly deps: { pool: Pool; prisma: Pick<ControlPlaneClient, "personalAccessToken">; clock: Clock }) {}

  /** The person behind a token, or null. Not cached: a revoked token stops with its row. */
  async find(token: string): Promise<UserCaller | null> {
    if (!looksLikePersonalAccessToken(token)) return null;
    const values = [hashCredential(token), new Date(this.deps.clock.now())];
    const { rows } = await this.deps.pool.query<Row>({ name: "cp-pat", text: FIND_SQL, values });
    const row = rows[0];
    if (!row) return null;
    return {
      userId: row.user_id,
      email: row.email,
      isAdmin: row.admin,
      organizationIds: row.organization_ids,
      via: "personal-access-token",
    };
  }

  /** The only time that the token itself is seen. Throws 400 for a bad name or more than 200 tokens. */
  async create(input: { userId: string; name: string }): Promise<NewToken> {
    const name = input.name.trim();
    if (name.length === 0 || name.length > MAX_NAME || name.includes("\u0000")) {
      throw new AppError("invalid_name", 400, `The name of a token has 1 to ${MAX_NAME} characters.`);
    }
    const active = await this.deps.prisma.personalAccessToken.count({ where: { userId: input.userId, revokedAt: null } });
    if (active >= MAX_TOKENS) throw new AppError("too_many_tokens", 400, `You have ${MAX_TOKENS} tokens already. Revoke some first.`);
    const minted = newTokenColumns({ userId: input.userId, name, nowMs: this.deps.clock.now() });
    await this.deps.prisma.personalAccessToken.create({ data: minted.columns });
    return { id: minted.columns.id, token: minted.token, obfuscated: minted.columns.obfuscated };
  }

  /** Newest first, revoked ones left out. */
  list(userId: string): Promise<ShownToken[]> {
    return this.deps.prisma.personalAccessToken.findMany({
      where: { userId, revokedAt: null },
      select: { id: true, name: true, obfuscated: true, createdAt: true, lastUsedAt: true },
      orderBy: [{ createdAt: "desc" }, { id: "desc" }],
      take: MAX_TOKENS,
    });
  }

  /** Throws 404 for a token that is not the user's. */
  async revoke(input: { userId: string; id: string }): Promise<void> {
    const { count } = await this.deps.prisma.personalAccessToken.updateMany({
      where: { id: input.id, userId: input.userId, revokedAt: null },
      data: { revokedAt: new Date(this.deps.clock.now()) },
    });
    if (count === 0) throw new AppError("token_not_found", 404, "There is no such token. It may have been revoked already.");
  }
}

/** Columns of a new token, for whoever writes it in a transaction of their own. */
export function newTokenColumns(input: { userId: string; name: string; nowMs: number }) {
  const token = mintPersonalAccessToken();
  const columns = {
    id: mintId(input.nowMs),
    userId: input.userId,
    name: input.name,
    tokenHash: new Uint8Array(hashCredential(token)),
    obfuscated: obfuscateToken(token),
    createdAt: new Date(input.nowMs),
  };
  return { token, columns };
}
