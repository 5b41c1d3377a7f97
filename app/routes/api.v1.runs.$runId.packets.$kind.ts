/** `GET /api/v1/runs/:runId/packets/payload|output`: a signed URL to read a run's stored packet. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";
import { resourcesOfRun } from "../api/runResources";
import { requireScope } from "../api/scope";
import type { RunDetail } from "../runops/runStore";
import { runIdOf, runNotFound } from "../runs/findRun";
import { AppError } from "../utils/appError";

const Params = z.object({ runId: z.string(), kind: z.enum(["payload", "output"]) });

export const loader = apiLoader({ auth: "environment", params: Params, cors: true }, async ({ app, caller, params }) => {
  const run = await app.store.getRun(caller.env.id, runIdOf(params.runId));
  if (!run) throw runNotFound();
  requireScope(caller, "read", resourcesOfRun(run.header));
  const path = storedPath(run, params.kind);
  if (path === null)
    throw new AppError("packet_not_found", 404, `The ${params.kind} of this run is not stored as a packet. Retrieve the run instead.`);
  return jsonResponse({ presignedUrl: app.runs.packets.presign("get", caller.env.id, path) });
});

function storedPath(run: RunDetail, kind: "payload" | "output"): string | null {
  const packet =
    kind === "payload"
      ? { data: run.header.payload, type: run.header.payloadType }
      : { data: run.result?.output ?? null, type: run.result?.outputType };
  return packet.type === "application/store" ? packet.data : null;
}
