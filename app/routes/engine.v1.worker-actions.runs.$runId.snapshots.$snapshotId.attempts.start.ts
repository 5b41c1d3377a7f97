/** `POST .../attempts/start`: begins an attempt and answers everything that the run process needs. */
import { z } from "zod";
import { RUNNER_ID_HEADER } from "../../agent/protocol";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

const params = z.object({ runId: z.string(), snapshotId: z.string() });
const MAX_RUNNER_ID = 128;

export const action = apiAction({ auth: "agent", params }, async ({ app, caller, params, request }) => {
  const replayKey = request.headers.get(RUNNER_ID_HEADER)?.slice(0, MAX_RUNNER_ID) ?? null;
  return jsonResponse(await app.engine.workerActions.start({ agent: caller, ...params, replayKey }));
});
