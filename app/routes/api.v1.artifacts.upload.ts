/** `POST /api/v1/artifacts/upload`: the form that `POST /api/v1/artifacts` signed. Its signature is the credential. */
import { apiAction } from "../api/dispatch/route.server";

export const action = apiAction({ auth: "none" }, async ({ app, request }) => {
  await app.deployments.artifacts.receive.call(request);
  return new Response(null, { status: 204 });
});
