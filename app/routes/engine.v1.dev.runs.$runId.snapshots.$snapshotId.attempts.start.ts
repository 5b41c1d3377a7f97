/** `POST .../attempts/start`: begins an attempt and answers everything that the run process needs. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

const params = z.object({ runId: z.string(), snapshotId: z.string() });
const REPLAY_HEADER = "x-trigger-request-idempotency-key";
const MAX_REPLAY_KEY = 128;

export const action = apiAction({ auth: "secret-key", params }, async ({ app, caller, params, request }) => {
  const replayKey = request.headers.get(REPLAY_HEADER)?.slice(0, MAX_REPLAY_KEY) ?? null;
  return jsonResponse(await app.engine.devWorker.start({ env: caller.env, ...params, replayKey }));
});
