/** `GET .../snapshots/latest`: where the run stands. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";

const params = z.object({ runId: z.string() });

export const loader = apiLoader({ auth: "secret-key", params }, async ({ app, caller, params }) =>
  jsonResponse(await app.engine.devWorker.latestSnapshot({ env: caller.env, ...params }))
);
