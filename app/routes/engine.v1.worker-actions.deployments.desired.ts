/** `GET /engine/v1/worker-actions/deployments/desired`: everything that the calling agent keeps running. */
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";

export const loader = apiLoader({ auth: "agent" }, async ({ app, caller }) => jsonResponse(await app.regions.desired(caller)));
