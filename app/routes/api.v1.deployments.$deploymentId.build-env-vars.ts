/** `GET /api/v1/deployments/:id/build-env-vars`: variables that the CLI sent for the build; only while it is under way. */
import { deploymentOf, deploymentParams } from "../api/deployments/deploymentCall.server";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";

/** Secrets, so it takes the right to write. */
export const loader = apiLoader({ auth: "environment", builds: true, params: deploymentParams }, async ({ app, caller, params }) => {
  const deployment = await deploymentOf(app, caller, "write", params.deploymentId);
  return jsonResponse({ variables: await app.deployments.api.buildVariables.read(deployment) });
});
