/** `GET /api/v1/projects/:ref`: one project; 404 `Project not found` for one of other people. */
import { projectBody, projectParams } from "../api/projectBody";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";

export const loader = apiLoader({ auth: "user", params: projectParams }, async ({ app, caller, params }) => {
  return jsonResponse(projectBody(await app.environments.tenancy.project(params.projectRef, caller.organizationIds)));
});
