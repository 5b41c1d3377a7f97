/** `GET .../snapshots/since/:snapshotId`: every transition after a snapshot. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";

const params = z.object({ runId: z.string(), snapshotId: z.string() });

export const loader = apiLoader({ auth: "secret-key", params }, async ({ app, caller, params }) =>
  jsonResponse(await app.engine.devWorker.snapshotsSince({ env: caller.env, ...params }))
);
