/** `POST /api/v1/auth/public-tokens`: a public token signed here, for callers that do not hold the key itself. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";
import { tokenLifetimeSeconds } from "../auth/tokenLifetime";

const Body = z.object({
  scopes: z.array(z.string().min(1).max(512)).min(1, "must name at least one scope").max(500),
  /** A duration, or epoch seconds. */
  expirationTime: z.union([z.string().max(100), z.number().int().positive()]).optional(),
  oneTimeUse: z.boolean().optional(),
  realtime: z.record(z.string(), z.unknown()).optional(),
});

export const action = apiAction({ auth: "secret-key", body: Body }, async ({ app, caller, body }) => {
  const { scopes, oneTimeUse, realtime } = body;
  const lifetimeSeconds = body.expirationTime === undefined ? undefined : tokenLifetimeSeconds(body.expirationTime, app.clock.now());
  const token = app.auth.signPublicToken(caller.env, { scopes, lifetimeSeconds, oneTimeUse, ...(realtime ? { extra: { realtime } } : {}) });
  return jsonResponse({ token });
});
