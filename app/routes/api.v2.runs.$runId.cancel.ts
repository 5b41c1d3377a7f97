/** `POST /api/v2/runs/:runId/cancel`: cancels a run and its children; 200 also when it had finished. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";
import { runResource } from "../api/runResources";
import { requireScope } from "../api/scope";
import { friendlyId } from "../utils/ids";

export const action = apiAction(
  { auth: "environment", params: z.object({ runId: z.string() }), cors: true },
  async ({ app, caller, params }) => {
    requireScope(caller, "write", runResource(params.runId));
    const { runId } = await app.runs.cancelRun.call({ envId: caller.env.id, run: params.runId });
    return jsonResponse({ id: friendlyId("run", runId) });
  }
);
