/** `GET .../snapshots/latest`: where the run stands. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";

const params = z.object({ runId: z.string() });

export const loader = apiLoader({ auth: "agent", params }, async ({ app, caller, params }) =>
  jsonResponse(await app.engine.workerActions.latestSnapshot({ agent: caller, ...params }))
);
