/** Gives an environment a new secret key. The old one works until its grace ends, or stops at once. */
import type { Clock } from "../../platform/clock";
import { AppError } from "../../utils/appError";
import { mintId } from "../../utils/ids";
import { hashCredential, mintSecretKey } from "./keys.server";
import type { ControlPlaneClient } from "../prisma.server";
import { sealContext, type SecretBox } from "../secretBox.server";
import type { EnvironmentSlug } from "../types";

/** A day: one deploy of everything that holds the key. */
const DEFAULT_GRACE_MS = 24 * 3_600_000;
const MAX_GRACE_MS = 14 * 24 * 3_600_000;

export class RotateEnvironmentKeyService {
  constructor(private readonly deps: { prisma: ControlPlaneClient; secretBox: SecretBox; clock: Clock }) {}

  /**
   * `graceMs` 0 revokes the current key now, and every key still in grace with it. Every process refuses a revoked key,
   * and tokens signed with it, within a second of the commit. Throws 400 for a branch (it uses its parent's key), 404.
   */
  async call(input: { envId: string; graceMs?: number }): Promise<{ secretKey: string; oldKeyUntil: Date | null }> {
    const graceMs = input.graceMs ?? DEFAULT_GRACE_MS;
    if (!(graceMs >= 0 && graceMs <= MAX_GRACE_MS)) {
      throw new AppError("invalid_grace", 400, `The grace period is 0 to ${MAX_GRACE_MS} milliseconds (14 days), got ${graceMs}.`);
    }
    const now = this.deps.clock.now();
    const until = graceMs === 0 ? null : new Date(now + graceMs);
    const secretKey = await this.deps.prisma.$transaction(async (tx) => {
      // The row lock makes two rotations follow each other; without it both would keep the same old key.
      await tx.$queryRaw`SELECT 1 FROM environment WHERE id = ${input.envId} FOR UPDATE`;
      const env = await tx.environment.findUnique({
        where: { id: input.envId },
        select: { slug: true, secretKeyHash: true, secretKeyCipher: true },
      });
      if (!env) throw new AppError("environment_not_found", 404, `There is no environment ${input.envId}.`);
      if (!env.secretKeyHash || !env.secretKeyCipher) {
        throw new AppError("branch_has_no_key", 400, "A branch uses the key of its parent environment. Rotate that one.");
      }
      const { secretKeyHash, secretKeyCipher } = env;
      if (until) {
        const data = { id: mintId(now), environmentId: input.envId, secretKeyHash, secretKeyCipher, until, createdAt: new Date(now) };
        await tx.apiKeyGrace.create({ data });
        await tx.apiKeyGrace.deleteMany({ where: { environmentId: input.envId, until: { lt: new Date(now) } } });
      } else {
        await tx.apiKeyGrace.deleteMany({ where: { environmentId: input.envId } });
      }
      const minted = mintSecretKey(env.slug as EnvironmentSlug);
      await tx.environment.update({
        where: { id: input.envId },
        data: {
          secretKeyHash: new Uint8Array(hashCredential(minted)),
          secretKeyCipher: new Uint8Array(this.deps.secretBox.seal(minted, sealContext.environmentKey(input.envId))),
          updatedAt: new Date(now),
        },
      });
      return minted;
    });
    return { secretKey, oldKeyUntil: until };
  }

  /** Ends every grace of the environment now; the current key stays. */
  async revokeOldKeys(envId: string): Promise<{ revoked: number }> {
    const { count } = await this.deps.prisma.apiKeyGrace.deleteMany({ where: { environmentId: envId } });
    return { revoked: count };
  }
}
