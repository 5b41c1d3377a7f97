import { z } from "zod";
import { jsonResponse } from "~/api/dispatch/respond.server";
import { apiLoader } from "~/api/dispatch/route.server";
import { readableRun, runParams } from "~/api/readableRun.server";
import { traceBody, tracePage } from "~/telemetry/traceApi";

const MAX_PAGE = 10_000;

/** Nested tree of the run's trace; with `page[size]` flat pages of it. 404 for a run of another environment. */
export const loader = apiLoader(
  {
    auth: "environment",
    cors: true,
    params: runParams,
    query: z.object({
      "page[size]": z.coerce.number().int().min(1).max(MAX_PAGE).optional(),
      "page[after]": z.coerce.number().int().min(0).optional(),
    }),
  },
  async ({ app, caller, params, query }) => {
    const run = await readableRun(app, caller, params.runId);
    const view = await app.telemetry.trace(caller.env.id, run);
    const size = query["page[size]"];
    return jsonResponse(size === undefined ? traceBody(view) : tracePage(view, size, query["page[after]"] ?? 0));
  }
);
