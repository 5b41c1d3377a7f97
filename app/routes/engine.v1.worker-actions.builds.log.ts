/** `POST /engine/v1/worker-actions/builds/log`: lines that a build printed, masked by the agent. 409 stops the build. */
import { buildLogRequestSchema } from "../../agent/build/protocol";
import { apiAction } from "../api/dispatch/route.server";

/** 500 lines of 16,000 characters each. */
const maxBodyBytes = 24 * 1024 * 1024;

export const action = apiAction({ auth: "agent", body: buildLogRequestSchema, maxBodyBytes }, async ({ app, caller, body }) => {
  const { lines, ...job } = body;
  await app.deployments.builds.log({ ...job, agentId: await app.regions.agentId(caller) }, lines);
  return new Response(null, { status: 204 });
});
