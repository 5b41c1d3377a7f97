/** `GET /api/v1/projects/runtimes`: the runtime that the current version of each environment was built for. */
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";

export const loader = apiLoader({ auth: "user" }, async ({ app, caller }) => {
  return jsonResponse(await app.environments.tenancy.runtimes(caller.organizationIds));
});
