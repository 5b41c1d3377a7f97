/** The bytes of packets, behind signed URLs: no other credential is asked for, as the clients send none. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction, apiLoader } from "../api/dispatch/route.server";
import { AppError } from "../utils/appError";

const Params = z.object({ "*": z.string() });
const Query = z.object({ env: z.string(), expires: z.string(), signature: z.string() });

export const loader = apiLoader({ auth: "none", params: Params, query: Query, cors: true }, async ({ app, params, query }) => {
  const { envId, name } = app.runs.packets.verify("get", params["*"], query);
  const packet = await app.runs.packets.read(envId, name);
  if (!packet) throw new AppError("packet_not_found", 404, `No packet ${name} was stored.`);
  const headers = { "content-type": packet.contentType, "content-length": String(packet.size), "cache-control": "private, no-store" };
  return new Response(packet.body, { headers });
});

export const action = apiAction(
  { auth: "none", params: Params, query: Query, methods: ["PUT"], cors: true },
  async ({ app, request, params, query }) => {
    const { envId, name } = app.runs.packets.verify("put", params["*"], query);
    const body = request.body ? (request.body as unknown as AsyncIterable<Uint8Array>) : "";
    await app.runs.packets.write(envId, name, body, request.headers.get("content-type") ?? "application/json");
    return jsonResponse({ ok: true });
  }
);
