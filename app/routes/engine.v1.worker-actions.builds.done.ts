/** `POST /engine/v1/worker-actions/builds/done`: how a build ended. Its release must be stored by then. */
import { doneRequestSchema } from "../../agent/build/protocol";
import { apiAction } from "../api/dispatch/route.server";

export const action = apiAction({ auth: "agent", body: doneRequestSchema }, async ({ app, caller, body }) => {
  const { outcome, ...job } = body;
  await app.deployments.builds.done({ ...job, agentId: await app.regions.agentId(caller) }, outcome);
  return new Response(null, { status: 204 });
});
