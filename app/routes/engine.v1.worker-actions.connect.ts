/** `POST /engine/v1/worker-actions/connect`: an agent introduces itself. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

const body = z.object({ metadata: z.record(z.string(), z.unknown()) });

export const action = apiAction({ auth: "agent", body }, async ({ app, caller, body }) =>
  jsonResponse(await app.regions.connect(caller, body.metadata))
);
