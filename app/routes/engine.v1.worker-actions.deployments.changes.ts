/** `GET /engine/v1/worker-actions/deployments/changes?after=`: held until the desired state of the region changes. */
import { changesQuerySchema } from "../../agent/protocol";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";

export const loader = apiLoader({ auth: "agent", query: changesQuerySchema }, async ({ app, caller, query, request }) =>
  jsonResponse(await app.regions.changes({ caller, ...query, signal: request.signal }))
);
