/** `GET /engine/v1/dev/presence`: an event stream that is open while a dev session is connected. */
import { apiLoader } from "../api/dispatch/route.server";

export const loader = apiLoader({ auth: "secret-key" }, async ({ app, caller, request }) =>
  app.engine.devWorker.presence(caller.env, request.signal)
);
