/** The run that a read route is about: it exists in the caller's environment, and the caller may read it. */
import { z } from "zod";
import type { EnvironmentCaller } from "../auth/types";
import { runIdOf, runNotFound } from "../runs/findRun";
import type { RunDetail } from "../runops/runStore";
import { friendlyId } from "../utils/ids";
import type { App } from "../wiring.server";
import { requireScope } from "./scope";

/** Longer is no run id; the text is repeated in messages. */
export const runParams = z.object({ runId: z.string().max(100) });

/** Throws 404 `Run not found`, and 403 when none of the run, its tags, batch and task is in a public token's scope. */
export async function readableRun(app: App, caller: EnvironmentCaller, friendly: string): Promise<RunDetail> {
  const run = await app.store.getRun(caller.env.id, runIdOf(friendly));
  if (!run) throw runNotFound();
  const { header } = run;
  requireScope(caller, "read", [
    { type: "runs", id: friendlyId("run", header.id) },
    { type: "tasks", id: header.task },
    ...header.tags.map((id) => ({ type: "tags" as const, id })),
    ...(header.batchId ? [{ type: "batch" as const, id: friendlyId("batch", header.batchId) }] : []),
  ]);
  return run;
}
