/** `POST /api/v1/runs/:runId/replay`: triggers the run's task again; the optional body overrides parts of it. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";
import { triggerContextOf } from "../api/triggerContext";
import { ReplayBody } from "../runs/trigger/triggerBody";
import { friendlyId } from "../utils/ids";

const MAX_BODY_BYTES = 8 * 1024 * 1024;

export const action = apiAction(
  { auth: "secret-key", params: z.object({ runId: z.string() }), body: ReplayBody.optional(), maxBodyBytes: MAX_BODY_BYTES },
  async ({ app, request, caller, params, body }) => {
    const context = triggerContextOf(request);
    const { runId } = await app.runs.replayRun.call({ env: caller.env, run: params.runId, body: body ?? {}, context });
    return jsonResponse({ id: friendlyId("run", runId) });
  }
);
