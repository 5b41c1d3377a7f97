/** `POST /api/v1/projects/:ref/branches`: makes or finds a branch of dev or preview. `GET`: the branches of one of them. */
import { z } from "zod";
import { projectParams } from "../api/projectBody";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction, apiLoader } from "../api/dispatch/route.server";

const Body = z.object({ branch: z.string().min(1).max(400), env: z.enum(["preview", "development"]).default("preview") });

/** `{id}`: the environment of the branch. */
export const action = apiAction({ auth: "none", params: projectParams, body: Body }, async ({ app, params, body, request }) => {
  const build = await app.buildAccess.authenticate(request);
  // A build of a branch asks for the branch that it is of, as the CLI always does.
  if (build?.env.project.ref === params.projectRef && build.env.branchName === body.branch) return jsonResponse({ id: build.env.id });
  const caller = await app.auth.personalAccessToken(request);
  const project = await app.environments.tenancy.project(params.projectRef, caller.organizationIds);
  const env = body.env === "development" ? "dev" : "preview";
  const { id } = await app.environments.upsertBranch.call({ projectId: project.id, env, branch: body.branch });
  return jsonResponse({ id });
});

const Query = z.object({ env: z.enum(["preview", "development"]).default("preview") });

export const loader = apiLoader({ auth: "user", params: projectParams, query: Query }, async ({ app, caller, params, query }) => {
  const { tenancy } = app.environments;
  const project = await tenancy.project(params.projectRef, caller.organizationIds);
  const slug = query.env === "development" ? "dev" : "preview";
  const all = await tenancy.environments(project.id, caller.organizationIds);
  const branches = all
    .filter((environment) => environment.slug === slug && environment.branchName !== null)
    .map(({ id, branchName, createdAt, updatedAt, pausedAt }) => ({
      id,
      name: branchName,
      createdAt,
      updatedAt,
      isPaused: pausedAt !== null,
    }));
  return jsonResponse({ branches });
});
