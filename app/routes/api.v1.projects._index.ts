/** `GET /api/v1/projects`: every project of the caller's organizations. */
import { projectBody } from "../api/projectBody";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";

export const loader = apiLoader({ auth: "user" }, async ({ app, caller }) => {
  const projects = await app.environments.tenancy.projects(caller.organizationIds);
  return jsonResponse(projects.map(projectBody));
});
