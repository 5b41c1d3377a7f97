/** `GET /api/v1/runs/:runId/result`: how a finished run ended; 404 until then, which the SDK reads as "not yet". */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";
import { resourcesOfRun } from "../api/runResources";
import { requireScope } from "../api/scope";
import { presentResult } from "../presenters/api/runResult.server";
import { runIdOf, runNotFound } from "../runs/findRun";
import { AppError } from "../utils/appError";

export const loader = apiLoader(
  { auth: "environment", params: z.object({ runId: z.string() }), cors: true },
  async ({ app, caller, params }) => {
    const run = await app.store.getRun(caller.env.id, runIdOf(params.runId));
    if (!run) throw runNotFound();
    requireScope(caller, "read", resourcesOfRun(run.header));
    if (!run.result) throw new AppError("run_not_finished", 404, "The run has not finished yet.");
    return jsonResponse(presentResult(run.result));
  }
);
