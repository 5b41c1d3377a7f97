/**
 * `GET /api/v1/projects/:ref/:env/region-settings`: in which regions the next deployments of an environment run, and with
 * how many replicas. `PUT {regions: [{region, replicas}]}` replaces all of them, or is a 400 that names every violation.
 */
import { z } from "zod";
import { DEPLOYMENTS, parseWithIssues, settingsActor } from "../api/deployments/deploymentCall.server";
import { projectEnvParams } from "../api/projectBody";
import { errorResponse, jsonResponse } from "../api/dispatch/respond.server";
import { apiAction, apiLoader } from "../api/dispatch/route.server";
import { requireScope } from "../api/scope";
import { variablesEnvironment } from "../api/variablesEnvironment.server";
import { projectNotFound } from "../environments/tenancy/tenancy.server";
import type { RegionChoice } from "../deployments/regionSettings.server";

const MAX_REGIONS = 100;
/** `replicas` is judged with the rest, so that all violations are said at once. */
const Body = z.strictObject({
  regions: z.array(z.strictObject({ region: z.string().min(1).max(63), replicas: z.unknown().optional() })).max(MAX_REGIONS),
});

export const loader = apiLoader({ auth: "environment", params: projectEnvParams }, async ({ app, caller, params }) => {
  requireScope(caller, "read", [DEPLOYMENTS]);
  if (caller.env.project.ref !== params.projectRef) throw projectNotFound();
  return jsonResponse(view(await app.deployments.regionSettings.read(caller.env)));
});

/** By the environment's key or a personal access token. */
export const action = apiAction(
  { auth: "none", methods: ["PUT"], params: projectEnvParams, body: z.unknown() },
  async ({ app, request, params, body }) => {
    const env = await variablesEnvironment(app, request, { projectRef: params.projectRef, slug: params.env });
    const actor = await settingsActor(app, request);
    const { regions } = parseWithIssues(Body, body, "Invalid body");
    const outcome = await app.deployments.regionSettings.update(env, regions, actor);
    if (outcome.kind === "saved") return jsonResponse(view(await app.deployments.regionSettings.read(env)));
    return errorResponse(400, outcome.violations.join(" "), {}, { issues: outcome.violations.map((message) => ({ message })) });
  }
);

/** Regions where it does not run have null replicas. */
function view(choices: readonly RegionChoice[]) {
  return { regions: choices.map(({ region, replicas, canSchedule }) => ({ region, replicas, canSchedule })) };
}
