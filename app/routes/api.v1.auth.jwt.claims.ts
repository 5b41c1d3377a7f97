/** `POST /api/v1/auth/jwt/claims`: what the SDK puts into the public tokens that it signs itself. */
import { apiAction } from "../api/dispatch/route.server";

export const action = apiAction({ auth: "secret-key" }, async ({ app, caller }) => {
  return new Response(app.auth.claimsHeader(caller.env), { headers: { "content-type": "application/json; charset=utf-8" } });
});
