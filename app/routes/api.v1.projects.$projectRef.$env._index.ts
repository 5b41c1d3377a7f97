/**
 * `GET /api/v1/projects/:ref/:env`: the key of an environment. From here on the CLI talks to `apiUrl` with `apiKey`; a
 * branch, named in `x-trigger-branch`, has the key of its environment.
 */
import { projectEnvParams } from "../api/projectBody";
import { jsonResponse } from "../api/respond.server";
import { apiLoader } from "../api/route.server";

export const loader = apiLoader({ auth: "user", params: projectEnvParams }, async ({ app, caller, params, request }) => {
  const view = await app.environments.tenancy.environment({
    ref: params.projectRef,
    slug: params.env,
    branch: request.headers.get("x-trigger-branch"),
    organizationIds: caller.organizationIds,
  });
  return jsonResponse({ apiKey: view.secretKey, name: view.project.name, apiUrl: app.config.origin, projectId: view.project.id });
});
