/** `POST /api/v1/deployments/:id/fail`: a builder reports why it gave up. A deployment that has ended stays as it is. */
import { z } from "zod";
import { deploymentOf, deploymentParams, keyActor, parseWithIssues } from "../api/deployments/deploymentCall.server";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";
import { readableIndexError } from "../deployments/build/indexError";
import { friendlyId } from "../utils/ids";

const text = z.string().max(1_000_000);
const Body = z.object({ error: z.object({ name: z.string().max(200), message: text, stack: text.optional(), stderr: text.optional() }) });
const spec = { auth: "environment", builds: true, params: deploymentParams, body: z.unknown() } as const;

/** `{id}`. */
export const action = apiAction(spec, async ({ app, request, caller, params, body }) => {
  const deployment = await deploymentOf(app, caller, "write", params.deploymentId);
  const parsed = parseWithIssues(Body, body, "Invalid body");
  // Whatever user code printed while it was indexed comes along, values of variables included.
  const secrets = caller.build ? Object.values(await app.environments.variables(caller.env.id)) : [];
  const error = readableIndexError(parsed.error, secrets);
  const actor = keyActor(request, caller);
  await app.deployments.api.fail.call({ env: caller.env, deployment, error, code: "reported", actor });
  return jsonResponse({ id: friendlyId("deployment", deployment.id) });
});
