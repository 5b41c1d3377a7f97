/** `POST /api/v1/idempotencyKeys/:key/reset`: the next trigger with the key makes a new run. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";
import { MAX_IDEMPOTENCY_KEY_LENGTH, MAX_NAME_LENGTH } from "../runs/types";

const text = z
  .string()
  .min(1)
  .refine((value) => !value.includes("\0"), "must not contain NUL characters");
const Params = z.object({ key: text.max(MAX_IDEMPOTENCY_KEY_LENGTH) });
const Body = z.object({ taskIdentifier: text.max(MAX_NAME_LENGTH) });

export const action = apiAction({ auth: "secret-key", params: Params, body: Body }, async ({ app, caller, params, body }) => {
  const { key } = await app.runs.resetIdempotencyKey.call({ envId: caller.env.id, task: body.taskIdentifier, key: params.key });
  return jsonResponse({ id: key });
});
