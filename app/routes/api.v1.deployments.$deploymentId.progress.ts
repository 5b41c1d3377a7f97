/** `POST /api/v1/deployments/:id/progress`: for builders that drive a deployment themselves. Here the workflow does, so it is a 409. */
import { z } from "zod";
import { deploymentOf, deploymentParams } from "../api/deployments/deploymentCall.server";
import { apiAction } from "../api/dispatch/route.server";
import { conflict } from "../utils/appError";

const spec = { auth: "environment", params: deploymentParams, body: z.unknown() } as const;

export const action = apiAction(spec, async ({ app, caller, params }) => {
  const deployment = await deploymentOf(app, caller, "write", params.deploymentId);
  throw conflict(
    "not_progressable",
    `Deployment is not in a progressable state (PENDING or INSTALLING): version ${deployment.version} is ${deployment.status} and driven by this server.`
  );
});
