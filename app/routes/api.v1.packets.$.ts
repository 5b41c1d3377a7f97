/** `/api/v1/packets/<name>`: signed URLs for one packet, GET to read it, PUT to store it. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction, apiLoader } from "../api/dispatch/route.server";

const Params = z.object({ "*": z.string() });

export const loader = apiLoader({ auth: "secret-key", params: Params }, async ({ app, caller, params }) =>
  jsonResponse({ presignedUrl: app.runs.packets.presign("get", caller.env.id, params["*"]) })
);

export const action = apiAction({ auth: "secret-key", params: Params, methods: ["PUT"] }, async ({ app, caller, params }) =>
  jsonResponse({ presignedUrl: app.runs.packets.presign("put", caller.env.id, params["*"]) })
);
