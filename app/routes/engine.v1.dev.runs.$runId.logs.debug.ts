/** `POST .../logs/debug`: what the CLI says about a run; kept in the server's own log at debug level, without its properties. */
import { z } from "zod";
import { apiAction } from "../api/dispatch/route.server";

const params = z.object({ runId: z.string().max(128) });
const body = z.object({ time: z.unknown(), message: z.string() });
const MAX_MESSAGE = 500;

export const action = apiAction({ auth: "secret-key", params, body }, async ({ app, caller, params, body }) => {
  app.log.debug("worker.debug", { envId: caller.env.id, run: params.runId, message: body.message.slice(0, MAX_MESSAGE) });
  return new Response(null, { status: 204 });
});
