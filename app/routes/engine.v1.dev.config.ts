/** `GET /engine/v1/dev/config`: how a dev session polls for work. */
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";

export const loader = apiLoader({ auth: "secret-key" }, async ({ app, caller }) => jsonResponse(app.engine.devWorker.config(caller.env)));
