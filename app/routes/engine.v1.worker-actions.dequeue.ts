/** `POST /engine/v1/worker-actions/dequeue`: runs for an agent's region; held only when the agent asks for it. */
import { dequeueRequestSchema } from "../../agent/protocol";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

export const action = apiAction({ auth: "agent", body: dequeueRequestSchema }, async ({ app, caller, body, request }) =>
  jsonResponse(await app.engine.workerActions.dequeue(caller, body, request.signal))
);
