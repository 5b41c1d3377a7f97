/** `POST /engine/v1/dev/disconnect`: the CLI ended; its runs end at once. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

const body = z.object({ runFriendlyIds: z.array(z.string().max(128)) });

export const action = apiAction({ auth: "secret-key", body }, async ({ app, caller, body }) =>
  jsonResponse(await app.engine.devWorker.disconnect(caller.env, body.runFriendlyIds))
);
