/** `POST /engine/v1/dev/dequeue`: a run for the polling worker; held while there is none. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

const body = z.object({ currentWorker: z.string().min(1).max(128) });

export const action = apiAction({ auth: "secret-key", body }, async ({ app, caller, body, request }) =>
  jsonResponse(await app.engine.devWorker.dequeue(caller.env, body, request.signal))
);
