/** `POST /api/v1/runs/:runId/tags`: adds tags. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";
import { runResource } from "../api/runResources";
import { requireScope } from "../api/scope";

const tag = z.string().refine((text) => !text.includes("\0"), "must not contain NUL characters");
const Body = z.object({ tags: z.union([tag, z.array(tag).max(1_000)]) });

export const action = apiAction(
  { auth: "environment", params: z.object({ runId: z.string() }), body: Body, cors: true },
  async ({ app, caller, params, body }) => {
    requireScope(caller, "write", runResource(params.runId));
    const tags = await app.runs.addTags.call({ envId: caller.env.id, run: params.runId, tags: body.tags });
    return jsonResponse({ message: `The run now has ${tags.length} tags.` });
  }
);
