/** `POST /api/v1/deployments`: creates one, and holds the answer until it has ended. `GET`: those of the environment, newest first. */
import { z } from "zod";
import { DEPLOYMENTS, keyActor, parseWithIssues, requestKeyOf } from "../api/deployments/deploymentCall.server";
import { errorResponse, jsonResponse } from "../api/dispatch/respond.server";
import { apiAction, apiLoader } from "../api/dispatch/route.server";
import { requireScope } from "../api/scope";
import type { EnvironmentCaller } from "../auth/types";
import { attachTargetOf } from "../deployments/api/create/attachDeployment.server";
import { createDeploymentBody } from "../deployments/api/create/createBody";
import type { CreatedDeployment } from "../deployments/api/create/createDeployment.server";
import { filterOf, listDeploymentsQuery } from "../deployments/api/listQuery";
import { createdView, deploymentLink, itemView } from "../deployments/api/views";
import type { DeploymentRecord } from "../deployments/ports";
import type { App } from "../wiring.server";
import { friendlyId } from "../utils/ids";

const maxBodyBytes = 8 * 1024 * 1024;

export const action = apiAction(
  { auth: "environment", builds: true, body: z.unknown(), maxBodyBytes },
  async ({ app, request, caller, body }) => {
    const parsed = parseWithIssues(createDeploymentBody, body, "Invalid body");
    const target = attachTargetOf(parsed);
    if (target !== null) {
      requireScope(caller, "write", [{ type: "deployments", id: target }]);
      const attached = await app.deployments.api.attach.call({ env: caller.env, body: parsed, target });
      return answer(caller, { deployment: attached, outcome: "created", canceledDeployments: [] });
    }
    requireScope(caller, "write", [DEPLOYMENTS]);
    const actor = keyActor(request, caller);
    const created = await app.deployments.api.create.call({ env: caller.env, body: parsed, requestKey: requestKeyOf(request), actor });
    if (created.outcome === "existing") return answer(caller, created, await isCurrent(app, caller, created.deployment));
    const { holdResponse } = await app.deployments.settings.read(caller.env);
    return (holdResponse ? await held(app, request, created.deployment) : null) ?? answer(caller, created);
  }
);

/** Null when the answer is the deployment itself. */
async function held(app: App, request: Request, deployment: DeploymentRecord): Promise<Response | null> {
  const outcome = await app.deployments.api.hold.call(deployment.id, request.signal);
  if (outcome.kind === "retry") {
    return errorResponse(503, "Deployment still in progress", { "x-should-retry": "true", "retry-after": "1" });
  }
  if (outcome.kind !== "ended") return null;
  const place = await app.environments.byId(deployment.environmentId);
  const link = deploymentLink(app.config.origin, place?.project.ref ?? "-", deployment.shortCode);
  return errorResponse(422, `${outcome.text} — ${link}`, { "x-should-retry": "false" });
}

function answer(caller: EnvironmentCaller, created: CreatedDeployment, isPromoted?: boolean): Response {
  const { deployment, outcome, canceledDeployments } = created;
  const view = createdView(deployment, { projectRef: caller.env.project.ref, envSlug: caller.env.slug });
  return jsonResponse({ ...view, outcome, isPromoted, ...(canceledDeployments.length > 0 ? { canceledDeployments } : {}) });
}

async function isCurrent(app: App, caller: EnvironmentCaller, deployment: DeploymentRecord): Promise<boolean> {
  const current = await app.deployments.api.reads.findCurrent(caller.env);
  return current?.id === deployment.id;
}

/** `{data, pagination: {next?}}`. */
export const loader = apiLoader({ auth: "environment", query: listDeploymentsQuery }, async ({ app, caller, query }) => {
  requireScope(caller, "read", [DEPLOYMENTS]);
  const { pageSize, ...filter } = filterOf(query, app.clock.now());
  const rows = await app.deployments.api.reads.list(caller.env, filter);
  const page = rows.slice(0, pageSize);
  const last = page.at(-1);
  const pagination = rows.length > pageSize && last ? { next: friendlyId("deployment", last.id) } : {};
  return jsonResponse({ data: page.map(itemView), pagination });
});
