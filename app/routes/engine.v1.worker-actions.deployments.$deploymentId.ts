/** `GET /engine/v1/worker-actions/deployments/:deploymentId`: one version, for a run on a version without replicas. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";

const params = z.object({ deploymentId: z.string().max(64) });

export const loader = apiLoader({ auth: "agent", params }, async ({ app, caller, params }) =>
  jsonResponse(await app.regions.deployment(caller, params.deploymentId))
);
