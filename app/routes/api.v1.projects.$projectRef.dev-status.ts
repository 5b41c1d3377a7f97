/** `GET /api/v1/projects/:ref/dev-status`: whether a dev session of the project is connected. */
import { projectParams } from "../api/projectBody";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";

export const loader = apiLoader({ auth: "user", params: projectParams }, async ({ app, caller, params, request }) => {
  const env = await app.environments.tenancy.environment({
    ref: params.projectRef,
    slug: "dev",
    branch: request.headers.get("x-trigger-branch"),
    organizationIds: caller.organizationIds,
  });
  return jsonResponse({ isConnected: await app.engine.isDevConnected(env.id) });
});
