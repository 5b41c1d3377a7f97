/** `POST .../attempts/complete`: how an attempt ended, and what the worker does next. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";
import { completionSchema, MAX_OUTPUT_LENGTH } from "../engine/attempts/completion";

const params = z.object({ runId: z.string(), snapshotId: z.string() });
const body = z.object({ completion: completionSchema, forceRequeue: z.boolean().optional() });
/** An output as JSON in JSON may double. */
const maxBodyBytes = 2 * MAX_OUTPUT_LENGTH + 1_024 * 1_024;

export const action = apiAction({ auth: "agent", params, body, maxBodyBytes }, async ({ app, caller, params, body }) =>
  jsonResponse(await app.engine.workerActions.complete({ agent: caller, ...params, ...body }))
);
