/** `POST /engine/v1/worker-actions/builds/claim`: a build for the calling agent, or `{build: null}` after the wait. */
import { claimRequestSchema } from "../../agent/build/protocol";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

export const action = apiAction({ auth: "agent", body: claimRequestSchema }, async ({ app, caller, body, request }) => {
  const agentId = await app.regions.agentId(caller);
  const claim = { agentId, agentName: caller.instanceName, waitMs: body.waitMs, signal: request.signal };
  return jsonResponse({ build: await app.deployments.builds.claim(claim) });
});
