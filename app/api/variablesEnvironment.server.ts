/** The environment whose variables a request is about, for a person, for a secret key of that very environment, or for a build of it. */
import { z } from "zod";
import { bearerOf, invalidKey } from "../auth/environmentCallers.server";
import { looksLikePersonalAccessToken } from "../environments/tenancy/keys.server";
import { parseEnvironmentSlug, projectNotFound } from "../environments/tenancy/tenancy.server";
import type { EnvironmentView } from "../environments/types";
import { AppError } from "../utils/appError";
import type { App } from "../wiring.server";

const part = z.string().min(1).max(256);
export const variablesParams = z.object({ projectRef: part, slug: part });
export const variableParams = variablesParams.extend({ name: part });

/** Throws 401; 404 for someone else's project; 403 when a secret key is of another environment. */
export async function variablesEnvironment(
  app: App,
  request: Request,
  place: { projectRef: string; slug: string }
): Promise<EnvironmentView> {
  const credential = bearerOf(request);
  if (credential === null) throw invalidKey();
  if (looksLikePersonalAccessToken(credential)) {
    const { organizationIds } = await app.auth.personalAccessToken(request);
    const branch = request.headers.get("x-trigger-branch");
    return app.environments.tenancy.environment({ ref: place.projectRef, slug: place.slug, branch, organizationIds });
  }
  const { env } = (await app.buildAccess.authenticate(request)) ?? (await app.auth.secretKey(request));
  if (env.project.ref !== place.projectRef) throw projectNotFound();
  if (env.slug === parseEnvironmentSlug(place.slug)) return env;
  throw new AppError(
    "wrong_environment",
    403,
    `This key is of ${env.slug}, not of "${place.slug.slice(0, 40)}". Use that environment's key, or a personal access token.`
  );
}
