/** What the routes that change a deployment share: promote, rollback, stop, wake, redeploy. */
import type { ActionFunctionArgs } from "@remix-run/node";
import { z } from "zod";
import type { EnvironmentView } from "../../environments/types";
import { ChangeFailedError } from "../../deployments/promotion/changeCurrentDeployment.server";
import type { Direction } from "../../deployments/promotion/decidePromotion";
import type { Actor } from "../../deployments/ports";
import { errorMessage } from "../../platform/logger";
import { AppError } from "../../utils/appError";
import { friendlyId } from "../../utils/ids";
import type { App } from "../../wiring.server";
import { DEPLOYMENTS, keyActor } from "./deploymentCall.server";
import { postOnly } from "../dispatch/postOnly.server";
import { errorResponse, jsonResponse } from "../dispatch/respond.server";
import { apiAction, type ApiRouteHandler } from "../dispatch/route.server";
import { requireScope } from "../scope";

const ACCEPTED = 202;

/** Once with one of two values, or not at all. Other parameters are nobody's business. */
const allowRollbacksValues = z.union([z.tuple([]), z.tuple([z.enum(["true", "false"])])]);
const versionParams = z.object({ deploymentVersion: z.string() });

/** `POST /api/v1/deployments/:version/promote` and `/rollback`: `{id, version, shortCode}`, a rollback also `previousVersion`. */
export function changeCurrentRoute(direction: Direction) {
  return postOnly(
    apiAction({ auth: "environment", params: versionParams }, async ({ app, request, caller, params }) => {
      requireScope(caller, "write", [DEPLOYMENTS]);
      const allowRollbacks = readAllowRollbacks(request.url);
      const input = { env: caller.env, deployment: params.deploymentVersion, direction, allowRollbacks };
      return changeCurrent(app, { ...input, actor: keyActor(request, caller) });
    })
  );
}

/** Throws 400 that names the parameter for anything but one `true` or `false`. */
function readAllowRollbacks(url: string): boolean {
  const parsed = allowRollbacksValues.safeParse(new URL(url).searchParams.getAll("allowRollbacks"));
  if (parsed.success) return parsed.data[0] === "true";
  throw new AppError("invalid_query", 400, 'Invalid query parameter "allowRollbacks": expected true or false');
}

type ChangeInput = Parameters<App["deployments"]["changeCurrent"]["call"]>[0];

async function changeCurrent(app: App, input: ChangeInput): Promise<Response> {
  try {
    const { id, version, shortCode, previousVersion } = await app.deployments.changeCurrent.call(input);
    const answer = { id: friendlyId("deployment", id), version, shortCode };
    return jsonResponse(input.direction === "rollback" ? { ...answer, previousVersion } : answer);
  } catch (error) {
    if (!(error instanceof ChangeFailedError)) throw error;
    const { message, cause } = error;
    app.log.error("deployment.change_failed", { envId: input.env.id, direction: input.direction, message, cause: errorMessage(cause) });
    return errorResponse(500, message);
  }
}

type Changed = { id: string; version: string; shortCode: string };
type Command = { env: EnvironmentView; deployment: string; actor: Actor };
type Run = (app: App, command: Command) => Promise<Changed>;

/** `POST /api/v1/deployments/:id/<command>`: 202 `{id, version, shortCode}` of the deployment that is changed or made. */
export function lifecycleRoute(run: Run) {
  return postOnly(lifecycleAction(run));
}

function lifecycleAction(run: Run): ApiRouteHandler<ActionFunctionArgs> {
  return apiAction({ auth: "environment", params: versionParams }, async ({ app, request, caller, params }) => {
    requireScope(caller, "write", [DEPLOYMENTS]);
    const command = { env: caller.env, deployment: params.deploymentVersion, actor: keyActor(request, caller) };
    const { id, version, shortCode } = await run(app, command);
    return jsonResponse({ id: friendlyId("deployment", id), version, shortCode }, { status: ACCEPTED });
  });
}
