/** `POST /api/v1/projects/:ref/:env/jwt`: a public token of an environment, for a person. */
import { z } from "zod";
import { projectEnvParams } from "../api/projectBody";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";
import { tokenLifetimeSeconds } from "../auth/tokenLifetime";

const Body = z
  .object({
    claims: z.object({ scopes: z.array(z.string().min(1).max(1_024)).max(500).default([]) }).optional(),
    expirationTime: z.union([z.number(), z.string().max(40)]).optional(),
  })
  .optional();

/** Default life: an hour. */
export const action = apiAction({ auth: "user", params: projectEnvParams, body: Body }, async ({ app, caller, params, body, request }) => {
  const env = await app.environments.tenancy.environment({
    ref: params.projectRef,
    slug: params.env,
    branch: request.headers.get("x-trigger-branch"),
    organizationIds: caller.organizationIds,
  });
  const token = app.auth.signPublicToken(env, {
    scopes: body?.claims?.scopes ?? [],
    lifetimeSeconds: tokenLifetimeSeconds(body?.expirationTime ?? "1h", app.clock.now()),
  });
  return jsonResponse({ token, environmentId: env.id });
});
