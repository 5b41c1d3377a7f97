/** Makes a project with its environments dev, staging and prod; preview comes with the first branch. */
import type { Clock } from "../../platform/clock";
import { AppError } from "../../utils/appError";
import { mintId } from "../../utils/ids";
import { newEnvironment } from "./createEnvironment.server";
import { mintProjectRef } from "./keys.server";
import type { ControlPlaneClient } from "../prisma.server";
import type { SecretBox } from "../secretBox.server";
import { freeSlug } from "./slugs.server";
import type { EnvironmentSlug } from "../types";

export type CreatedProject = { id: string; ref: string; slug: string; name: string };

const FIRST_ENVIRONMENTS: readonly EnvironmentSlug[] = ["dev", "staging", "prod"];
const MAX_NAME = 255;

export type CreateProjectDeps = {
  prisma: Pick<ControlPlaneClient, "project">;
  secretBox: SecretBox;
  clock: Clock;
  /** Runs that may execute at once in each new environment. */
  maxConcurrency: number;
};

export class CreateProjectService {
  constructor(private readonly deps: CreateProjectDeps) {}

  /** Throws 400 for an empty or over-long name. The caller has checked that the user may add to the organization. */
  async call(input: { organizationId: string; name: string }): Promise<CreatedProject> {
    const { prisma, secretBox, clock, maxConcurrency } = this.deps;
    const name = input.name.trim();
    if (name.length === 0 || name.length > MAX_NAME) {
      throw new AppError("invalid_name", 400, `The name of a project has 1 to ${MAX_NAME} characters.`);
    }
    const { organizationId } = input;
    const slug = await freeSlug(
      name,
      async (candidate) => (await prisma.project.count({ where: { organizationId, slug: candidate } })) > 0
    );
    const now = clock.now();
    const project = await prisma.project.create({
      data: {
        id: mintId(now),
        organizationId,
        externalRef: mintProjectRef(),
        slug,
        name,
        createdAt: new Date(now),
        environments: { create: FIRST_ENVIRONMENTS.map((env) => newEnvironment(env, { secretBox, now, maxConcurrency })) },
      },
      select: { id: true, externalRef: true, slug: true, name: true },
    });
    return { id: project.id, ref: project.externalRef, slug: project.slug, name: project.name };
  }
}
