/**
 * `POST /api/v1/authorization-code`: begins a CLI login. `url` is for the browser; the CLI polls `/api/v1/token` with
 * `authorizationCode`. No `approval` in the answer: the CLI then polls with the code alone.
 */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

/** The challenge belongs to the flows with an approval code; older CLIs send no body at all. */
const Body = z.unknown();

export const action = apiAction({ auth: "none", body: Body, maxBodyBytes: 8_192 }, async ({ app }) => {
  return jsonResponse(await app.auth.authorizationCodes.create());
});
