/** `POST /engine/v1/worker-actions/deployments/report`: the whole set of processes of the calling agent. */
import { reportSchema } from "../../agent/protocol";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

export const action = apiAction({ auth: "agent", body: reportSchema }, async ({ app, caller, body }) =>
  jsonResponse(await app.regions.report(caller, body))
);
