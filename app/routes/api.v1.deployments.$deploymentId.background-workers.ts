/** `POST /api/v1/deployments/:id/background-workers`: the indexer registers the tasks of a release. */
import { z } from "zod";
import { deploymentOf, deploymentParams, keyActor } from "../api/deployments/deploymentCall.server";
import { errorResponse, jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

/** Sources are in it, compressed. */
const maxBodyBytes = 32 * 1024 * 1024;
const spec = { auth: "environment", builds: true, params: deploymentParams, body: z.unknown(), maxBodyBytes } as const;

/** `{id, version, contentHash, warnings?}`. */
export const action = apiAction(spec, async ({ app, request, caller, params, body }) => {
  const deployment = await deploymentOf(app, caller, "write", params.deploymentId);
  const actor = keyActor(request, caller);
  const outcome = await app.deployments.api.registerWorker.call({ env: caller.env, deployment, body, actor });
  if (outcome.kind === "registered") return jsonResponse(outcome.worker);
  return errorResponse(500, outcome.text, { "x-should-retry": "false" });
});
