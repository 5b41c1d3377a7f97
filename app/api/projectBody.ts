/** Projects and environments as the API shows them, and the path parameters that name them. */
import { z } from "zod";
import type { EnvironmentSummary, ProjectSummary } from "../environments/tenancy/tenancy.server";

const name = z.string().min(1).max(255);
export const projectParams = z.object({ projectRef: name });
/** `env` is dev, staging (or stg), prod or preview. */
export const projectEnvParams = z.object({ projectRef: name, env: name });

export function projectBody(project: ProjectSummary) {
  const { id, ref, name: title, slug, createdAt, defaultRegion, organization } = project;
  return { id, externalRef: ref, name: title, slug, createdAt, defaultRegion, organization };
}

/** Only the preview environment itself is marked as having branches; branches are listed apart. */
export function environmentBody(environment: EnvironmentSummary) {
  const { id, slug, type, branchName, pausedAt } = environment;
  return { id, slug, type, isBranchableEnvironment: slug === "preview" && branchName === null, branchName, paused: pausedAt !== null };
}
