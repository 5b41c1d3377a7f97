/** `PUT /api/v2/packets/<name>`: a signed URL to store a packet, and the path by which triggers and outputs name it. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";

export const action = apiAction(
  { auth: "secret-key", params: z.object({ "*": z.string() }), methods: ["PUT"] },
  async ({ app, caller, params }) => {
    const name = params["*"];
    return jsonResponse({ presignedUrl: app.runs.packets.presign("put", caller.env.id, name), storagePath: name });
  }
);
