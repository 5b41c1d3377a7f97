/** `POST /api/v1/token`: the CLI's poll during login. `{token: null}` while nobody has decided; 400 ends the polling. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

const Body = z.object({ authorizationCode: z.string().min(1).max(200) });

export const action = apiAction({ auth: "none", body: Body, maxBodyBytes: 8_192 }, async ({ app, body }) => {
  const minted = await app.auth.authorizationCodes.exchange(body.authorizationCode);
  return jsonResponse(
    { token: minted && { token: minted.token, obfuscatedToken: minted.obfuscated } },
    { headers: { "cache-control": "no-store" } }
  );
});
