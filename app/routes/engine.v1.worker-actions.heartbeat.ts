/** `POST /engine/v1/worker-actions/heartbeat`: the agent is alive. What it says of its load is not used. */
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

export const action = apiAction({ auth: "agent" }, async ({ app, caller }) => {
  await app.regions.heartbeat(caller);
  return jsonResponse({ ok: true });
});
