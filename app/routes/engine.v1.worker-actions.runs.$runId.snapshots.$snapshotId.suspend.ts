/** `/engine/v1/worker-actions/runs/:runId/snapshots/:snapshotId/suspend`: always refused, because waiting processes stay in memory. */
import { z } from "zod";
import { SUSPEND_REFUSED } from "../../agent/protocol";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction, apiLoader } from "../api/dispatch/route.server";

const params = z.object({ runId: z.string(), snapshotId: z.string() });
const refusal = () => jsonResponse({ ok: false, error: SUSPEND_REFUSED });

export const loader = apiLoader({ auth: "agent", params }, async ({ app, caller, params }) => {
  await app.engine.workerActions.requireRun(caller, params.runId);
  return refusal();
});

export const action = apiAction({ auth: "agent", params }, async ({ app, caller, params }) => {
  await app.engine.workerActions.requireRun(caller, params.runId);
  return refusal();
});
