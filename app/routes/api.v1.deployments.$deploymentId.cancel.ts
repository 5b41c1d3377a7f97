/** `POST /api/v1/deployments/:id/cancel`: 204; 409 when it has ended. */
import { z } from "zod";
import { deploymentParams, keyActor, parseWithIssues } from "../api/deployments/deploymentCall.server";
import { apiAction } from "../api/dispatch/route.server";
import { requireScope } from "../api/scope";

const Body = z.object({ reason: z.string().max(200, "Reason must be less than 200 characters").optional() }).default({});
const spec = { auth: "environment", params: deploymentParams, body: z.unknown() } as const;

export const action = apiAction(spec, async ({ app, request, caller, params, body }) => {
  requireScope(caller, "write", [{ type: "deployments", id: params.deploymentId }]);
  const { reason } = parseWithIssues(Body, body, "Invalid body");
  const actor = keyActor(request, caller);
  await app.deployments.api.cancel.call({ env: caller.env, deploymentId: params.deploymentId, reason, actor });
  return new Response(null, { status: 204 });
});
