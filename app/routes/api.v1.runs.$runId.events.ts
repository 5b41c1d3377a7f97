import { jsonResponse } from "~/api/dispatch/respond.server";
import { apiLoader } from "~/api/dispatch/route.server";
import { readableRun, runParams } from "~/api/readableRun.server";
import { eventsBody } from "~/telemetry/traceApi";

/** Every span and log line of the run's trace, flat, parents before children. */
export const loader = apiLoader({ auth: "environment", cors: true, params: runParams }, async ({ app, caller, params }) => {
  const run = await readableRun(app, caller, params.runId);
  return jsonResponse(eventsBody(await app.telemetry.trace(caller.env.id, run)));
});
