/** `GET` and `PUT /api/v1/runs/:runId/metadata`: the run's document, read or changed; both answer the whole document. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction, apiLoader } from "../api/dispatch/route.server";
import { runResource } from "../api/runResources";
import { requireScope } from "../api/scope";
import { triggerContextOf } from "../api/triggerContext";
import { MetadataBody } from "../runs/metadata/updateMetadata.server";

const Params = z.object({ runId: z.string() });

export const loader = apiLoader({ auth: "environment", params: Params, cors: true }, async ({ app, caller, params }) => {
  requireScope(caller, "read", runResource(params.runId));
  return jsonResponse({ metadata: await app.runs.getMetadata.call({ envId: caller.env.id, run: params.runId }) });
});

export const action = apiAction(
  { auth: "environment", params: Params, body: MetadataBody, methods: ["PUT"], cors: true },
  async ({ app, request, caller, params, body }) => {
    requireScope(caller, "write", runResource(params.runId));
    const input = { envId: caller.env.id, run: params.runId, body, requestKey: triggerContextOf(request).requestKey };
    return jsonResponse({ metadata: await app.runs.updateMetadata.call(input) });
  }
);
