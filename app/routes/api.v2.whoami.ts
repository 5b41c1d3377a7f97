/** `GET /api/v2/whoami`: the first call of the CLI. `dashboardUrl` is the base of every link that it prints. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";
import { AppError } from "../utils/appError";

const Query = z.object({ projectRef: z.string().max(100).optional() });

/** A project that the caller cannot see is left out, not refused: the CLI only prints it. */
export const loader = apiLoader({ auth: "user", query: Query }, async ({ app, caller, query }) => {
  const { origin } = app.config;
  const found = query.projectRef
    ? await app.environments.tenancy.project(query.projectRef, caller.organizationIds).catch((error: unknown) => {
        if (error instanceof AppError) return undefined;
        throw error;
      })
    : undefined;
  const project = found && { name: found.name, url: `${origin}/projects/v3/${found.ref}`, orgTitle: found.organization.title };
  return jsonResponse({ userId: caller.userId, email: caller.email, dashboardUrl: origin, project });
});
