/**
 * `GET /api/v1/projects/:ref/:env/deploy-settings`: how the CLI is to build. It asks once, for 5 s at most, and takes any
 * failure for a Docker build, so this reads one row. `PUT` changes settings; the answer is all of them.
 */
import { DEPLOYMENTS, parseWithIssues, settingsActor } from "../api/deployments/deploymentCall.server";
import { projectEnvParams } from "../api/projectBody";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction, apiLoader } from "../api/dispatch/route.server";
import { requireScope } from "../api/scope";
import { variablesEnvironment } from "../api/variablesEnvironment.server";
import { z } from "zod";
import { projectNotFound } from "../environments/tenancy/tenancy.server";
import { deploySettingsChange } from "../deployments/settings.server";
import type { DeploySettings } from "../deployments/ports";

export const loader = apiLoader({ auth: "environment", params: projectEnvParams }, async ({ app, caller, params }) => {
  requireScope(caller, "read", [DEPLOYMENTS]);
  if (caller.env.project.ref !== params.projectRef) throw projectNotFound();
  return jsonResponse(view(await app.deployments.settings.read(caller.env)));
});

/** By the environment's key or a personal access token. */
export const action = apiAction(
  { auth: "none", methods: ["PUT"], params: projectEnvParams, body: z.unknown() },
  async ({ app, request, params, body }) => {
    const env = await variablesEnvironment(app, request, { projectRef: params.projectRef, slug: params.env });
    const change = parseWithIssues(deploySettingsChange, body, "Invalid body");
    return jsonResponse(view(await app.deployments.settings.update(env, change, await settingsActor(app, request))));
  }
);

/** `build_path` is what the CLI reads. */
function view(settings: DeploySettings) {
  return { build_path: settings.buildPath, ...settings };
}
