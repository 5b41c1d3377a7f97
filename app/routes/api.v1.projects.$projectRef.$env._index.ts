/**
 * `GET /api/v1/projects/:ref/:env`: the key of an environment. From here on the CLI talks to `apiUrl` with `apiKey`; a
 * branch, named in `x-trigger-branch`, has the key of its environment. Whoever comes with a key of the environment, or
 * with the token of a build, is answered that one: a build never learns the key.
 */
import { bearerOf } from "../auth/environmentCallers.server";
import { looksLikeBuildToken } from "../deployments/build/buildToken.server";
import { looksLikeSecretKey } from "../environments/tenancy/keys.server";
import type { EnvironmentView } from "../environments/types";
import { variablesEnvironment } from "../api/variablesEnvironment.server";
import type { App } from "../wiring.server";
import { projectEnvParams } from "../api/projectBody";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";
import { usedOrigin } from "../api/dispatch/usedOrigin";

export const loader = apiLoader({ auth: "none", params: projectEnvParams }, async ({ app, params, request }) => {
  const place = { projectRef: params.projectRef, slug: params.env };
  const credential = bearerOf(request);
  const isKey = credential !== null && (looksLikeSecretKey(credential) || looksLikeBuildToken(credential));
  const view = isKey ? await variablesEnvironment(app, request, place) : await environmentOfPerson(app, request, place);
  const apiKey = isKey ? credential : view.secretKey;
  // Builds may reach the server by another address than people do.
  const apiUrl = isKey ? usedOrigin(request, app.config.origin) : app.config.origin;
  return jsonResponse({ apiKey, name: view.project.name, apiUrl, projectId: view.project.id });
});

async function environmentOfPerson(app: App, request: Request, place: { projectRef: string; slug: string }): Promise<EnvironmentView> {
  const { organizationIds } = await app.auth.personalAccessToken(request);
  const branch = request.headers.get("x-trigger-branch");
  return app.environments.tenancy.environment({ ref: place.projectRef, slug: place.slug, branch, organizationIds });
}
