/** `POST /api/v1/auth/public-tokens`: a public token signed here, for callers that do not hold the key itself. */
import { z } from "zod";
import { signPublicToken } from "../api/publicToken";
import { jsonResponse } from "../api/respond.server";
import { apiAction } from "../api/route.server";

const scope = z.string().min(1).max(512);
const Body = z.object({
  scopes: z.array(scope).min(1, "must name at least one scope").max(500),
  expirationTime: z
    .union([z.string().regex(/^\d+ ?[a-z]+$/i, "must be a duration such as 15m, 1h"), z.number().int().positive()])
    .optional(),
  oneTimeUse: z.boolean().optional(),
  realtime: z.record(z.string(), z.unknown()).optional(),
});

export const action = apiAction({ auth: "secret-key", body: Body }, async ({ caller, body }) => {
  const token = await signPublicToken(caller.env, { ...body, expirationTime: body.expirationTime ?? "15m" });
  return jsonResponse({ token });
});
