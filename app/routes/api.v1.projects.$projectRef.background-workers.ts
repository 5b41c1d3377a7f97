/** `POST /api/v1/projects/:projectRef/background-workers`: `trigger dev` registers what it has built. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

const params = z.object({ projectRef: z.string() });
/** The engine checks the manifest: its schema is large and loaded on first use. Sources are in it, compressed. */
const body = z.unknown();
const maxBodyBytes = 32 * 1_024 * 1_024;

export const action = apiAction({ auth: "secret-key", params, body, maxBodyBytes }, async ({ app, caller, params, body }) =>
  jsonResponse(await app.engine.devWorker.register(caller.env, params.projectRef, body))
);
