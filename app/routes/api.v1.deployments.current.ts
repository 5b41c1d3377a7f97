/** `GET /api/v1/deployments/current`: what the environment runs now. 404 before the first promotion. */
import { DEPLOYMENTS } from "../api/deployments/deploymentCall.server";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";
import { requireScope } from "../api/scope";
import { itemView } from "../deployments/api/views";

export const loader = apiLoader({ auth: "environment" }, async ({ app, caller }) => {
  requireScope(caller, "read", [DEPLOYMENTS]);
  return jsonResponse(itemView(await app.deployments.api.reads.current(caller.env)));
});
