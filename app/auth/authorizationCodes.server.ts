/**
 * CLI login. The CLI gets a code, which it polls with, and a link for the browser, which carries another id: whoever
 * sees the link cannot collect the token. A code is good for ten minutes and one token.
 */
import type { Clock } from "../platform/clock";
import { hashCredential, randomText } from "../environments/tenancy/keys.server";
import type { ControlPlaneClient } from "../environments/prisma.server";
import { AppError } from "../utils/appError";
import { mintId } from "../utils/ids";
import { newTokenColumns, type NewToken } from "./personalAccessTokens.server";

const LIFETIME_MS = 10 * 60_000;
const CODE_CHARS = 43;
/** Codes that nobody approves: anyone who reaches the server may ask for one. */
const MAX_PENDING = 10_000;
const TOKEN_NAME = "CLI login";

export type AuthorizationRequest = { state: "pending" | "approved" | "denied" | "expired"; createdAt: Date; expiresAt: Date };

export class AuthorizationCodes {
  constructor(private readonly deps: { prisma: ControlPlaneClient; clock: Clock; origin: string }) {}

  /** `url` is for the browser, `authorizationCode` for the CLI alone. Throws 429 while too many wait. */
  async create(): Promise<{ url: string; authorizationCode: string }> {
    const now = this.deps.clock.now();
    await this.deps.prisma.authorizationCode.deleteMany({ where: { expiresAt: { lt: new Date(now - LIFETIME_MS) } } });
    if ((await this.deps.prisma.authorizationCode.count({ where: { approvedAt: null, deniedAt: null } })) >= MAX_PENDING) {
      throw new AppError("too_many_logins", 429, "Too many logins wait for approval. Try again in ten minutes.");
    }
    const authorizationCode = `auth_${randomText(CODE_CHARS)}`;
    const linkId = randomText(CODE_CHARS);
    await this.deps.prisma.authorizationCode.create({
      data: {
        id: mintId(now),
        linkId,
        codeHash: new Uint8Array(hashCredential(authorizationCode)),
        createdAt: new Date(now),
        expiresAt: new Date(now + LIFETIME_MS),
      },
    });
    return { url: `${this.deps.origin}/account/authorization-code/${linkId}`, authorizationCode };
  }

  /** What the approval page shows; null for a link that never was. */
  async describe(linkId: string): Promise<AuthorizationRequest | null> {
    const row = await this.deps.prisma.authorizationCode.findUnique({ where: { linkId } });
    if (!row) return null;
    const expired = row.expiresAt.getTime() <= this.deps.clock.now();
    const state = row.deniedAt ? "denied" : row.approvedAt ? "approved" : expired ? "expired" : "pending";
    return { state, createdAt: row.createdAt, expiresAt: row.expiresAt };
  }

  /** Lets the CLI collect a token of the user. Throws 404 when the link is unknown, expired, or decided already. */
  async approve(input: { linkId: string; userId: string }): Promise<void> {
    await this.decide(input.linkId, { userId: input.userId, approvedAt: new Date(this.deps.clock.now()) });
  }

  /** Throws 404 as `approve` does. */
  async deny(input: { linkId: string; userId: string }): Promise<void> {
    await this.decide(input.linkId, { userId: input.userId, deniedAt: new Date(this.deps.clock.now()) });
  }

  /**
   * What the CLI's poll gets: null while nobody has decided. Throws 400 for an unknown, expired, denied or used code, which
   * ends the CLI's polling.
   */
  async exchange(authorizationCode: string): Promise<NewToken | null> {
    const codeHash = new Uint8Array(hashCredential(authorizationCode));
    const now = this.deps.clock.now();
    const row = await this.deps.prisma.authorizationCode.findUnique({ where: { codeHash } });
    if (!row || row.collectedAt || row.expiresAt.getTime() <= now) throw badCode("is unknown, has expired, or was used");
    if (row.deniedAt) throw badCode("was denied");
    if (!row.approvedAt || !row.userId) return null;
    const { token, columns } = newTokenColumns({ userId: row.userId, name: TOKEN_NAME, nowMs: now });
    return this.deps.prisma.$transaction(async (tx) => {
      const { count } = await tx.authorizationCode.updateMany({
        where: { codeHash, collectedAt: null },
        data: { collectedAt: new Date(now) },
      });
      if (count === 0) throw badCode("was used already");
      await tx.personalAccessToken.create({ data: columns });
      return { id: columns.id, token, obfuscated: columns.obfuscated };
    });
  }

  private async decide(linkId: string, data: { userId: string; approvedAt?: Date; deniedAt?: Date }): Promise<void> {
    const { count } = await this.deps.prisma.authorizationCode.updateMany({
      where: { linkId, approvedAt: null, deniedAt: null, expiresAt: { gt: new Date(this.deps.clock.now()) } },
      data,
    });
    if (count === 0)
      throw new AppError(
        "login_request_not_found",
        404,
        "This login request has expired or was decided already. Run the login command again."
      );
  }
}

function badCode(what: string): AppError {
  return new AppError("invalid_authorization_code", 400, `The authorization code ${what}. Run the login command again.`);
}
