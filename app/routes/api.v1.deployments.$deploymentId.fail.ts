/** `POST /api/v1/deployments/:id/fail`: a builder reports why it gave up. A deployment that has ended stays as it is. */
import { z } from "zod";
import { deploymentOf, deploymentParams, keyActor, parseWithIssues } from "../api/deploymentCall.server";
import { jsonResponse } from "../api/respond.server";
import { apiAction } from "../api/route.server";
import { friendlyId } from "../utils/ids";

const text = z.string().max(1_000_000);
const Body = z.object({ error: z.object({ name: z.string().max(200), message: text, stack: text.optional(), stderr: text.optional() }) });
const spec = { auth: "environment", builds: true, params: deploymentParams, body: z.unknown() } as const;

/** `{id}`. */
export const action = apiAction(spec, async ({ app, request, caller, params, body }) => {
  const deployment = await deploymentOf(app, caller, "write", params.deploymentId);
  const { error } = parseWithIssues(Body, body, "Invalid body");
  const actor = keyActor(request, caller);
  await app.deployments.api.fail.call({ env: caller.env, deployment, error, code: "reported", actor });
  return jsonResponse({ id: friendlyId("deployment", deployment.id) });
});
