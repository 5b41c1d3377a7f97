/** `POST /engine/v1/worker-actions/builds/heartbeat`: renews the lease of a build; the answer says whether to go on. */
import { buildJobRefSchema } from "../../agent/build/protocol";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

export const action = apiAction({ auth: "agent", body: buildJobRefSchema }, async ({ app, caller, body }) => {
  const agentId = await app.regions.agentId(caller);
  return jsonResponse(await app.deployments.builds.heartbeat({ ...body, agentId }));
});
