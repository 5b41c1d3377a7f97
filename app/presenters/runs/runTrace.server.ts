/** What telemetry adds to the page of a run. Telemetry may be slow or away: the page is whole without it. */
import type { RunDetail } from "../../runops/runStore";
import type { TraceSpan, TraceView } from "../../telemetry/types";
import type { App } from "../../wiring.server";
import { errorLine, errorView, objectView } from "./packets.server";
import type { Attempt } from "./runHistory";
import type { ErrorView, LogLine, SpanView } from "../views";

export type TraceApp = Pick<App, "telemetry" | "log">;
type Selected = { envId: string; span: string | null; closeHref: string };

const MOST_LOGS = 500;

/** The trace of the run, or null when telemetry does not answer. */
export async function readTrace(app: TraceApp, envId: string, detail: RunDetail): Promise<TraceView | null> {
  try {
    return await app.telemetry.trace(envId, detail);
  } catch (error) {
    app.log.warn("run_page.trace_failed", { runId: detail.header.id, message: error instanceof Error ? error.message : String(error) });
    return null;
  }
}

/** The selected line of the trace with all that is known of it; null when none is selected or it is not there. */
export async function readSpan(app: TraceApp, detail: RunDetail, input: Selected): Promise<SpanView | null> {
  if (input.span === null) return null;
  const span = await app.telemetry.span(input.envId, detail, input.span).catch(() => null);
  if (!span) return null;
  const errors = span.events.flatMap((event) => {
    const view = event.name === "exception" ? exceptionOf(event.properties.exception) : null;
    return view ? [view] : [];
  });
  return { id: span.id, name: span.message, attributes: objectView(span.attributes), errors, closeHref: input.closeHref };
}

function exceptionOf(value: unknown): ErrorView | null {
  if (typeof value !== "object" || value === null) return null;
  const { type, message, stacktrace } = value as { type?: unknown; message?: unknown; stacktrace?: unknown };
  return errorView(JSON.stringify({ type: "BUILT_IN_ERROR", name: type ?? "Error", message: message ?? "", stackTrace: stacktrace ?? "" }));
}

/** Errors of attempts: the stored one belongs to the last that failed, the others come from their spans. */
export function attemptErrors(attempts: readonly Attempt[], spans: readonly TraceSpan[], stored: string | null): Map<number, string> {
  const errors = new Map<number, string>();
  for (const span of spans) {
    const event = span.events.find((candidate) => candidate.name === "exception");
    const view = span.attempt !== null && event ? exceptionOf(event.properties.exception) : null;
    if (span.attempt !== null && view && !errors.has(span.attempt)) errors.set(span.attempt, errorLine(view));
  }
  const last = attempts.filter((attempt) => attempt.outcome === "failed").at(-1);
  if (last && stored) errors.set(last.number, stored);
  return errors;
}

/** Log lines of the trace, oldest first; `logsCut` when there are more than are shown. */
export function logsOf(spans: readonly TraceSpan[]): { logs: LogLine[]; logsCut: boolean } {
  const lines = spans.filter((span) => span.kind === "log");
  const logs = lines.slice(0, MOST_LOGS).map(
    (line): LogLine => ({
      id: line.id,
      at: line.startMs,
      level: line.level.toLowerCase(),
      kind: line.level === "ERROR" ? "error" : line.level === "WARN" ? "warn" : "plain",
      text: line.message,
    })
  );
  return { logs, logsCut: lines.length > logs.length };
}
