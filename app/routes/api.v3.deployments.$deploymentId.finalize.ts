/**
 * `POST /api/v3/deployments/:id/finalize`: an event stream of `ping`, `log`, and at last `complete` or `error`. The
 * workflow finalizes by itself, so this only follows it, and may be posted again at any time: the client's stream
 * reconnects by posting.
 */
import { z } from "zod";
import { deploymentOf, deploymentParams } from "../api/deployments/deploymentCall.server";
import { apiAction } from "../api/dispatch/route.server";
import { sseResponse, type Followed, type SseMessage } from "../deployments/api/followDeployment.server";
import type { DeploymentRecord } from "../deployments/ports";
import { friendlyId } from "../utils/ids";

const spec = { auth: "environment", params: deploymentParams, body: z.unknown() } as const;

export const action = apiAction(spec, async ({ app, request, caller, params }) => {
  const deployment = await deploymentOf(app, caller, "write", params.deploymentId);
  return sseResponse(messages(app.deployments.api.follow.call(deployment.id, 0, request.signal)));
});

async function* messages(followed: AsyncGenerator<Followed, void, undefined>): AsyncGenerator<SseMessage, void, undefined> {
  yield { event: "ping", data: {} };
  for await (const item of followed) {
    if (item.kind === "ping") yield { event: "ping", data: {} };
    else if (item.kind === "event") yield { event: "log", data: { message: item.event.body } };
    else yield endOf(item.deployment);
  }
}

function endOf(deployment: DeploymentRecord): SseMessage {
  if (deployment.status === "DEPLOYED") return { event: "complete", data: { id: friendlyId("deployment", deployment.id) } };
  const error = deployment.errorData?.message ?? deployment.canceledReason ?? `The deployment ended as ${deployment.phase}.`;
  return { event: "error", data: { error } };
}
