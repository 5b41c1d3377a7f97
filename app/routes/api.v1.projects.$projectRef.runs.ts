/** `GET /api/v1/projects/:projectRef/runs`: runs of a project's environments, for a person's token. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";
import type { UserCaller } from "../auth/types";
import type { EnvironmentDirectory, EnvironmentView } from "../environments/types";
import { ListRunsQuery } from "../presenters/api/listQuery";
import { ListRunsPresenter } from "../presenters/api/listRuns.server";
import { vocabularyOf } from "../presenters/api/presentRun.server";
import { AppError } from "../utils/appError";

const ALL_ENVIRONMENTS = ["dev", "staging", "prod", "preview"];

export const loader = apiLoader(
  { auth: "user", params: z.object({ projectRef: z.string() }), query: ListRunsQuery },
  async ({ app, request, caller, params, query }) => {
    const { directory } = app.environments;
    const envs = await environmentsOf({
      directory,
      caller,
      projectRef: params.projectRef,
      slugs: query["filter[env]"] ?? ALL_ENVIRONMENTS,
    });
    const presenter = new ListRunsPresenter({ store: app.store, directory, clock: app.clock });
    return jsonResponse(await presenter.call(envs, query, vocabularyOf(request)));
  }
);

type Wanted = { directory: EnvironmentDirectory; caller: UserCaller; projectRef: string; slugs: readonly string[] };

/** The named environments of a project of the caller's organizations; the same 404 whether it is missing or another's. */
async function environmentsOf({ directory, caller, projectRef, slugs }: Wanted): Promise<EnvironmentView[]> {
  const found = await Promise.all(slugs.map((slug) => directory.bySlug(projectRef, slug, null)));
  const own = found.filter((env) => env !== null && caller.organizationIds.includes(env.organization.id)).filter((env) => env !== null);
  if (own.length === 0) throw new AppError("project_not_found", 404, "Project not found");
  return own;
}
