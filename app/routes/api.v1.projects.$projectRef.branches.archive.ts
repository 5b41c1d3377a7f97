/** `POST /api/v1/projects/:ref/branches/archive`: a branch whose work is merged or given up. Its runs and deployments stay readable. */
import { z } from "zod";
import { projectParams } from "../api/projectBody";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";
import { AppError } from "../utils/appError";

const Body = z.object({ branch: z.string().min(1).max(400), env: z.enum(["preview", "development"]).default("preview") });

/** `{branch: {id}}`. 404 when there is no such branch. */
export const action = apiAction({ auth: "user", params: projectParams, body: Body }, async ({ app, caller, params, body }) => {
  const { tenancy } = app.environments;
  const project = await tenancy.project(params.projectRef, caller.organizationIds);
  const slug = body.env === "development" ? "dev" : "preview";
  const all = await tenancy.environments(project.id, caller.organizationIds);
  const branch = all.find((environment) => environment.slug === slug && environment.branchName === body.branch);
  if (!branch) throw new AppError("branch_not_found", 404, `There is no ${slug} branch "${body.branch.slice(0, 100)}".`);
  await app.environments.updateEnvironment(branch.id, { archived: true });
  return jsonResponse({ branch: { id: branch.id } });
});
