/** `POST .../snapshots/:snapshotId/release`: the agent gives back a run that it did not start. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

const params = z.object({ runId: z.string(), snapshotId: z.string() });
const body = z.object({ reason: z.string().min(1).max(256) });

export const action = apiAction({ auth: "agent", params, body }, async ({ app, caller, params }) =>
  jsonResponse(await app.engine.workerActions.release({ agent: caller, ...params }))
);
