import { z } from "zod";
import { jsonResponse } from "~/api/dispatch/respond.server";
import { apiLoader } from "~/api/dispatch/route.server";
import { readableRun, runParams } from "~/api/readableRun.server";
import { spanBody } from "~/telemetry/traceApi";
import { AppError } from "~/utils/appError";

const params = runParams.extend({ spanId: z.string().regex(/^[0-9a-f]{16}$/, "a span id is 16 hexadecimal characters") });

/** One span or log line of the run's trace with all its attributes and events. */
export const loader = apiLoader({ auth: "environment", cors: true, params }, async ({ app, caller, params: { runId, spanId } }) => {
  const run = await readableRun(app, caller, runId);
  const span = await app.telemetry.span(caller.env.id, run, spanId);
  if (!span)
    throw new AppError("span_not_found", 404, `No span ${spanId} in the trace of ${runId}. Spans are kept for the telemetry retention.`);
  return jsonResponse(spanBody(span));
});
