/** `GET .../snapshots/:snapshotId/continue`: a runner that waited asks where it stands. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";

const params = z.object({ runId: z.string(), snapshotId: z.string() });

export const loader = apiLoader({ auth: "agent", params }, async ({ app, caller, params }) =>
  jsonResponse(await app.engine.workerActions.continue({ agent: caller, ...params }))
);
