/** `POST /api/v1/tasks/:taskId/trigger`: creates a run; committed before the answer. */
import { z } from "zod";
import { describeZodError } from "../api/dispatch/respond.server";
import { apiAction, type ApiContext } from "../api/dispatch/route.server";
import { requireScope } from "../api/scope";
import { triggerContextOf } from "../api/triggerContext";
import { TriggerBody, TriggerOptions } from "../runs/trigger/triggerBody";
import { AppError } from "../utils/appError";
import { friendlyId } from "../utils/ids";

const Params = z.object({ taskId: z.string() });
/** A payload of 3 MB may double when it is quoted as a JSON string. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** As long as the SDK lets the tokens live that it signs itself. */
const RUN_TOKEN_SECONDS = 3_600;

export const action = apiAction(
  { auth: "environment", params: Params, body: TriggerBody, maxBodyBytes: MAX_BODY_BYTES, cors: true },
  async (context) => {
    const { app, request, caller, params, body } = context;
    requireScope(caller, "trigger", [{ type: "tasks", id: params.taskId }]);
    const result = await app.runs.triggerTask.call({
      env: caller.env,
      task: params.taskId,
      body: withHeaderKey(body, request.headers),
      context: triggerContextOf(request),
      oneTimeToken: caller.oneTimeToken,
    });
    const id = friendlyId("run", result.runId);
    // Our ids hold nothing that JSON would escape.
    return new Response(`{"id":"${id}","isCached":${result.isCached}}`, { headers: answerHeaders(context, id) });
  }
);

type Context = Pick<ApiContext<"environment", undefined, undefined, undefined>, "app" | "caller">;

/** Holders of the secret key sign the run's public token themselves; holders of a token cannot, so they are given one. */
function answerHeaders({ app, caller }: Context, runId: string): Record<string, string> {
  const type = "application/json; charset=utf-8";
  if (caller.via === "secret-key") return { "content-type": type, "x-trigger-jwt-claims": app.auth.claimsHeader(caller.env) };
  const token = app.auth.signPublicToken(caller.env, { scopes: [`read:runs:${runId}`], lifetimeSeconds: RUN_TOKEN_SECONDS });
  return { "content-type": type, "x-trigger-jwt": token };
}

const HeaderKey = TriggerOptions.pick({ idempotencyKey: true, idempotencyKeyTTL: true });

/** Plain HTTP callers may name their key in headers; the body wins. */
function withHeaderKey(body: TriggerBody, headers: Headers): TriggerBody {
  const idempotencyKey = headers.get("idempotency-key");
  if (idempotencyKey === null || body.options?.idempotencyKey) return body;
  const parsed = HeaderKey.safeParse({ idempotencyKey, idempotencyKeyTTL: headers.get("idempotency-key-ttl") ?? undefined });
  if (!parsed.success) throw new AppError("invalid_header", 400, describeZodError(parsed.error, "header"));
  return { ...body, options: { ...body.options, ...parsed.data } };
}
