/** `GET /api/v1/deployments/:id`: one deployment, with its worker once that is registered. */
import { deploymentOf, deploymentParams } from "../api/deployments/deploymentCall.server";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";
import { detailView } from "../deployments/api/views";

export const loader = apiLoader({ auth: "environment", params: deploymentParams }, async ({ app, caller, params }) => {
  const deployment = await deploymentOf(app, caller, "read", params.deploymentId);
  return jsonResponse(detailView(deployment, await app.deployments.api.reads.worker(deployment)));
});
