/** `GET /engine/v1/worker-actions/deployments/desired`: everything that the calling agent keeps running. */
import { jsonResponse } from "../api/respond.server";
import { apiLoader } from "../api/route.server";

export const loader = apiLoader({ auth: "agent" }, async ({ app, caller }) => jsonResponse(await app.regions.desired(caller)));
