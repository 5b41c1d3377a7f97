/** `GET /api/v1/projects/:ref/envvars`: what a run of the key's environment gets; the CLI hands it to the indexer. */
import { projectParams } from "../api/projectBody";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";
import { projectNotFound } from "../environments/tenancy/tenancy.server";

export const loader = apiLoader({ auth: "secret-key", builds: true, params: projectParams }, async ({ app, caller, params }) => {
  if (caller.env.project.ref !== params.projectRef) throw projectNotFound();
  return jsonResponse({ variables: await app.environments.variables(caller.env.id) });
});
