/** What the routes of deployments share: who calls, on which deployment, with which body. */
import { z } from "zod";
import { bearerOf } from "../../auth/environmentCallers.server";
import type { EnvironmentCaller, Resource } from "../../auth/types";
import { looksLikePersonalAccessToken } from "../../environments/tenancy/keys.server";
import type { Actor, DeploymentRecord } from "../../deployments/ports";
import type { App } from "../../wiring.server";
import { errorResponse } from "../dispatch/respond.server";
import { requireScope } from "../scope";

const ADDRESS_HEADER = "x-sluice-client-address";
/** The CLI's, constant over the retries of one call. */
const REQUEST_KEY_HEADER = "x-trigger-request-idempotency-key";
const MAX_KEY = 200;
const MAX_AGENT = 500;

/** Any deployment of the environment. */
export const DEPLOYMENTS: Resource = { type: "deployments" };
/** What a build may upload on behalf of its deployment. */
export const ARTIFACTS: Resource = { type: "deployments", id: "artifacts" };

/** Path parameters of everything below one deployment. */
export const deploymentParams = z.object({ deploymentId: z.string().min(1).max(64) });

/** `deployment_<id>` of the request and its row. Throws 403 before it looks, and 404 `Deployment not found`. */
export async function deploymentOf(app: App, caller: EnvironmentCaller, action: "read" | "write", id: string): Promise<DeploymentRecord> {
  requireScope(caller, action, [{ type: "deployments", id }]);
  return app.deployments.api.reads.find(caller.env, id);
}

/** The holder of a key of the environment, or a build on an agent, as audit keeps it. */
export function keyActor(request: Request, caller: EnvironmentCaller): Actor {
  const { build } = caller;
  if (build) return { type: "agent", id: build.deploymentId, name: `build attempt ${build.attempt}`, ...traceOf(request) };
  return { type: "key", id: caller.env.id, name: `${caller.env.slug} key`, ...traceOf(request) };
}

/** Who changes settings: a person with a personal access token, or the holder of the environment's secret key. Throws 401 for anyone else. */
export async function settingsActor(app: App, request: Request): Promise<Actor> {
  if (!looksLikePersonalAccessToken(bearerOf(request) ?? "")) return keyActor(request, await app.auth.secretKey(request));
  const user = await app.auth.personalAccessToken(request);
  return { type: "user", id: user.userId, name: user.email, ...traceOf(request) };
}

/** Where a call came from, for every kind of actor. */
export function traceOf(request: Request): Pick<Actor, "ip" | "userAgent" | "correlationId"> {
  const { headers } = request;
  return {
    ip: headers.get(ADDRESS_HEADER),
    userAgent: headers.get("user-agent")?.slice(0, MAX_AGENT) ?? null,
    correlationId: requestKeyOf(request),
  };
}

/** Null when the client sends none. */
export function requestKeyOf(request: Request): string | null {
  return request.headers.get(REQUEST_KEY_HEADER)?.slice(0, MAX_KEY) || null;
}

/** The body, or a thrown 400 `{error, issues}` that lists every problem. */
export function parseWithIssues<S extends z.ZodType>(schema: S, body: unknown, error: string): z.output<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw errorResponse(400, error, { "x-should-retry": "false" }, { issues: parsed.error.issues });
}
