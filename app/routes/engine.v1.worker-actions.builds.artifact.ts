/** `GET /engine/v1/worker-actions/builds/artifact`: the archive that a build starts from, for the agent that has it. */
import { Readable } from "node:stream";
import { z } from "zod";
import { apiLoader } from "../api/dispatch/route.server";

const Query = z.object({
  deploymentId: z.string().min(1).max(64),
  attempt: z.coerce.number().int().min(1),
  which: z.enum(["source", "bundle"]),
});

export const loader = apiLoader({ auth: "agent", query: Query }, async ({ app, caller, query }) => {
  const { which, ...job } = query;
  const file = await app.deployments.builds.artifact({ ...job, agentId: await app.regions.agentId(caller) }, which);
  const headers = { "content-type": "application/gzip", "content-length": String(file.bytes) };
  return new Response(Readable.toWeb(file.stream) as unknown as BodyInit, { headers });
});
