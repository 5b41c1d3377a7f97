/** `GET /api/v1/projects/:ref/environments`: the environments themselves, without their branches. */
import { environmentBody, projectParams } from "../api/projectBody";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";

export const loader = apiLoader({ auth: "user", params: projectParams }, async ({ app, caller, params }) => {
  const { tenancy } = app.environments;
  const project = await tenancy.project(params.projectRef, caller.organizationIds);
  const all = await tenancy.environments(project.id, caller.organizationIds);
  return jsonResponse(all.filter((environment) => environment.branchName === null).map(environmentBody));
});
