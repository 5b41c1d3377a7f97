/** `POST .../snapshots/:snapshotId/heartbeat`: the attempt is alive. The body says nothing that is used. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

const params = z.object({ runId: z.string(), snapshotId: z.string() });

export const action = apiAction({ auth: "agent", params }, async ({ app, caller, params }) =>
  jsonResponse(await app.engine.workerActions.heartbeat({ agent: caller, ...params }))
);
