/** Makes the root environment of one kind in a project; a second call finds the first one's. */
import type { Clock } from "../../platform/clock";
import { mintId } from "../../utils/ids";
import { hashCredential, mintSecretKey } from "./keys.server";
import { uniqueViolation, type ControlPlaneClient } from "../prisma.server";
import { sealContext, type SecretBox } from "../secretBox.server";
import type { EnvironmentSlug, EnvironmentType } from "../types";

const TYPE_OF: Record<EnvironmentSlug, EnvironmentType> = {
  dev: "DEVELOPMENT",
  staging: "STAGING",
  prod: "PRODUCTION",
  preview: "PREVIEW",
};

/** The kind of a slug. */
function environmentTypeOf(slug: EnvironmentSlug): EnvironmentType {
  return TYPE_OF[slug];
}

/** Columns of a new root environment with a fresh key. */
export function newEnvironment(slug: EnvironmentSlug, deps: { secretBox: SecretBox; now: number; maxConcurrency: number }) {
  const id = mintId(deps.now);
  const secretKey = mintSecretKey(slug);
  return {
    id,
    slug,
    type: environmentTypeOf(slug),
    secretKeyHash: new Uint8Array(hashCredential(secretKey)),
    secretKeyCipher: new Uint8Array(deps.secretBox.seal(secretKey, sealContext.environmentKey(id))),
    maxConcurrency: deps.maxConcurrency,
    createdAt: new Date(deps.now),
    updatedAt: new Date(deps.now),
  };
}

export type CreateEnvironmentDeps = {
  prisma: Pick<ControlPlaneClient, "environment">;
  secretBox: SecretBox;
  clock: Clock;
  maxConcurrency: number;
};

export class CreateEnvironmentService {
  constructor(private readonly deps: CreateEnvironmentDeps) {}

  /** Safe to race: the loser answers with the winner's environment. */
  async call(input: { projectId: string; slug: EnvironmentSlug }): Promise<{ id: string; created: boolean }> {
    const { prisma, secretBox, clock, maxConcurrency } = this.deps;
    const find = () =>
      prisma.environment.findFirst({
        where: { projectId: input.projectId, slug: input.slug, branchName: null, archivedAt: null },
        select: { id: true },
      });
    const existing = await find();
    if (existing) return { id: existing.id, created: false };
    try {
      const data = { ...newEnvironment(input.slug, { secretBox, now: clock.now(), maxConcurrency }), projectId: input.projectId };
      const { id } = await prisma.environment.create({ data, select: { id: true } });
      return { id, created: true };
    } catch (error) {
      const winner = uniqueViolation(error) ? await find() : null;
      if (!winner) throw error;
      return { id: winner.id, created: false };
    }
  }
}
