/** What pages do with runs: cancel and replay, one or a selection; answers with the banner for the next page. */
import { AppError } from "../utils/appError";
import { friendlyId } from "../utils/ids";
import { shortId } from "../utils/format";
import type { TriggerContext } from "../runs/trigger/triggerTask.server";
import type { Flash } from "./cookies.server";
import type { EnvironmentPage } from "./page.server";
import { triggerContextOf } from "./triggerContext";

type Place = Pick<EnvironmentPage, "app" | "env" | "base" | "user">;
export type Done = { href: string; flash: Flash };

const MOST_AT_ONCE = 100;

/** The trace and origin of a write that a person made on a page. */
export function dashboardContext(request: Request): TriggerContext {
  return { ...triggerContextOf(request), source: "dashboard" };
}

/** `cancel` or `replay` of one run. Throws AppError 400 for another intent, 404 for a run of another environment. */
export async function actOnRun(place: Place, input: { intent: string; run: string; request: Request }): Promise<Done> {
  const { app, env, base } = place;
  if (input.intent === "cancel") {
    const { runId } = await app.runs.cancelRun.call({ envId: env.id, run: input.run, reason: "Canceled from the dashboard" });
    return {
      href: `${base}/runs/${friendlyId("run", runId)}`,
      flash: { kind: "ok", title: "Cancel is requested.", text: "A running attempt has a minute to clean up." },
    };
  }
  if (input.intent === "replay") {
    const { runId } = await app.runs.replayRun.call({ env, run: input.run, body: {}, context: dashboardContext(input.request) });
    return {
      href: `${base}/runs/${friendlyId("run", runId)}`,
      flash: {
        kind: "ok",
        title: `This run repeats ${shortId(input.run)}.`,
        text: "It has the same payload and options, and runs on the current version.",
      },
    };
  }
  throw unknownIntent(input.intent);
}

/** `cancel-selected` or `replay-selected`, one after the other; a run that refuses does not stop the others. */
export async function actOnRuns(place: Place, input: { intent: string; ids: readonly string[]; request: Request }): Promise<Flash> {
  const intent = { "cancel-selected": "cancel", "replay-selected": "replay" }[input.intent];
  if (intent === undefined) throw unknownIntent(input.intent);
  if (input.ids.length === 0) return { kind: "hold", title: "No run is selected.", text: "Tick the boxes of the runs first." };
  if (input.ids.length > MOST_AT_ONCE) throw new AppError("too_many_runs", 400, `At most ${MOST_AT_ONCE} runs can be changed at once.`);
  let failed: string | null = null;
  let done = 0;
  for (const id of input.ids) {
    try {
      await actOnRun(place, { intent, run: id, request: input.request });
      done += 1;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      failed = error.message;
    }
  }
  const title = `${done} of ${input.ids.length} runs ${intent === "cancel" ? "are being canceled" : "are replayed"}.`;
  return failed === null ? { kind: "ok", title } : { kind: done === 0 ? "bad" : "hold", title, text: failed };
}

/** A form that this page does not have. */
export function unknownIntent(intent: string): AppError {
  return new AppError("unknown_intent", 400, `This page has no action "${intent.slice(0, 40)}". Open the page again.`);
}
