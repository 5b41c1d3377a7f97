/** The page of one run. */
import type { EnvironmentView } from "../environments/types";
import { isFinal } from "../runops/runStates";
import type { RunDetail } from "../runops/runStore";
import type { TraceSpan, TraceView } from "../telemetry/types";
import { AppError } from "../utils/appError";
import { formatDuration, formatSeconds } from "../utils/format";
import { friendlyId, parseFriendlyId } from "../utils/ids";
import type { App } from "../wiring.server";
import { readSurroundings, reasonFor, statusOf } from "./facts.server";
import { lifecycleOf } from "./lifecycle";
import { dataView, errorLine, errorView, objectView } from "./packets.server";
import { runsSearch } from "./runFilters";
import { attemptsOf, phasesOf, stretchesOf, type Attempt } from "./runHistory";
import { expiredText } from "./runRow.server";
import { splitOf } from "./split";
import { timelineOf } from "./timeline";
import type { LogLine, RunView, SpanView, Words } from "./views";

export type RunPageApp = Pick<App, "store" | "index" | "engine" | "environments" | "telemetry" | "clock" | "log">;
export type RunPageInput = {
  env: EnvironmentView;
  /** Path of the environment's pages. */
  base: string;
  /** Friendly id, as in the URL. */
  run: string;
  fold: boolean;
  span: string | null;
  /** The page's address with another selected span; null selects none. */
  hrefOf: (spanId: string | null) => string;
  timeZone: string;
};

const MOST_LOGS = 500;
const CHILDREN_SHOWN = 100;
const TRIGGERS: Record<string, string> = {
  sdk: "Triggered by the SDK",
  cli: "Triggered by the CLI",
  api: "Triggered by API",
  dashboard: "Triggered from the dashboard",
  schedule: "Triggered by a schedule",
};

/** Reads the run, its trace and what is around it. Throws AppError 404 for a run of another environment. */
export async function presentRun(app: RunPageApp, input: RunPageInput): Promise<RunView> {
  const id = parseFriendlyId("run", input.run);
  const detail = id === null ? null : await app.store.getRun(input.env.id, id);
  if (!detail) {
    throw new AppError(
      "run_not_found",
      404,
      `There is no run ${input.run.slice(0, 60)} in ${input.env.slug}. It may be in another environment, or older than the retention.`
    );
  }
  const [trace, around, version, children, span] = await Promise.all([
    readTrace(app, input.env.id, detail),
    readSurroundings(app, input.env, [detail.header.queue]),
    detail.versionId ? app.environments.workerVersion(detail.versionId) : null,
    app.store.childrenOf(input.env.id, detail.header.id, CHILDREN_SHOWN).catch(() => []),
    readSpan(app, input, detail),
  ]);
  const nowMs = app.clock.now();
  const story = tell(detail, nowMs);
  const status = statusOf(detail);
  const lastError = errorOf(detail);
  const versionName = version?.version ?? null;
  const { header } = detail;
  const reason = reasonFor({ ...detail, lastErrorText: lastError?.line ?? null }, around, { nowMs, timeZone: input.timeZone });
  const final = isFinal(detail.status);
  return {
    id: header.id,
    friendlyId: friendlyId("run", header.id),
    task: header.task,
    status,
    final,
    cancelable: !final,
    asOf: nowMs,
    createdAt: header.createdAt.getTime(),
    triggeredBy: header.replayOf ? "Replayed" : (TRIGGERS[header.options.triggerSource ?? "api"] ?? "Triggered by API"),
    version: versionName ? { name: versionName, href: `${input.base}/runs?${runsSearch({ version: [versionName] })}` } : null,
    queue: { name: header.queue, href: `${input.base}/runs?${runsSearch({ queue: [header.queue] })}` },
    region: header.region,
    machine: detail.machine,
    attempt: detail.attempt,
    maxAttempts: header.options.maxAttempts ?? version?.tasks.get(header.task)?.retry?.maxAttempts ?? null,
    wait: reason,
    split: splitOf(story.stretches, header.createdAt.getTime(), story.endedAt, nowMs),
    timeline: timelineOf({
      task: header.task,
      status,
      createdAt: header.createdAt.getTime(),
      nowMs,
      ...story,
      spans: trace?.spans ?? [],
      fold: input.fold,
      hrefOf: input.hrefOf,
    }),
    lifecycle: lifecycleOf({
      ...story,
      final: detail.result
        ? { status: detail.result.status, at: detail.result.completedAt.getTime(), note: outcomeNote(detail, lastError?.line) }
        : null,
      queue: header.queue,
      version: versionName,
      reason: detail.reason,
      dueAt: detail.dueAt?.getTime() ?? null,
      attemptErrors: attemptErrors(story.attempts, trace?.spans ?? [], lastError?.line ?? null),
      nowMs,
      timeZone: input.timeZone,
    }),
    payload: await dataView(header.payload, header.payloadType),
    output: await dataView(detail.result?.output ?? null, detail.result?.outputType ?? "application/json"),
    metadata: await dataView(detail.metadata, detail.metadataType),
    // A cancel is an outcome, not a failure: the lifecycle says who asked for it.
    error: lastError && detail.status !== "CANCELED" ? { title: errorTitle(detail, story.attempts), view: lastError.view } : null,
    ...logsOf(trace?.spans ?? []),
    span,
    facts: factsOf(detail, { base: input.base, children: children.map((child) => child.header.id) }),
    tags: header.tags,
  };
}

type Story = {
  phases: ReturnType<typeof phasesOf>;
  attempts: Attempt[];
  stretches: ReturnType<typeof stretchesOf>;
  endedAt: number | null;
};

function tell(detail: RunDetail, nowMs: number): Story {
  const phases = phasesOf(detail.history);
  const final = detail.result?.status ?? null;
  const attempts = attemptsOf(phases, final);
  const endedAt = detail.result?.completedAt.getTime() ?? null;
  // The history of a run that ended keeps no open stretch, even when its last record was dropped by the cap.
  const last = phases.at(-1);
  if (endedAt !== null && last && last.to === null) last.to = Math.min(endedAt, nowMs);
  return { phases, attempts, stretches: stretchesOf(phases, attempts), endedAt };
}

/** Telemetry may be slow or away; the page is whole without it. */
async function readTrace(app: RunPageApp, envId: string, detail: RunDetail): Promise<TraceView | null> {
  try {
    return await app.telemetry.trace(envId, detail);
  } catch (error) {
    app.log.warn("run_page.trace_failed", { runId: detail.header.id, message: error instanceof Error ? error.message : String(error) });
    return null;
  }
}

async function readSpan(app: RunPageApp, input: RunPageInput, detail: RunDetail): Promise<SpanView | null> {
  if (input.span === null) return null;
  const span = await app.telemetry.span(input.env.id, detail, input.span).catch(() => null);
  if (!span) return null;
  const errors = span.events.flatMap((event) => {
    const view = event.name === "exception" ? exceptionOf(event.properties.exception) : null;
    return view ? [view] : [];
  });
  return { id: span.id, name: span.message, attributes: objectView(span.attributes), errors, closeHref: input.hrefOf(null) };
}

function exceptionOf(value: unknown): SpanView["errors"][number] | null {
  if (typeof value !== "object" || value === null) return null;
  const { type, message, stacktrace } = value as { type?: unknown; message?: unknown; stacktrace?: unknown };
  return errorView(JSON.stringify({ type: "BUILT_IN_ERROR", name: type ?? "Error", message: message ?? "", stackTrace: stacktrace ?? "" }));
}

function errorOf(detail: RunDetail): { view: NonNullable<ReturnType<typeof errorView>>; line: string } | null {
  const view = errorView(detail.result?.error ?? detail.lastError);
  return view ? { view, line: errorLine(view) } : null;
}

/** Errors of attempts: the stored one belongs to the last that failed, the others come from their spans. */
function attemptErrors(attempts: readonly Attempt[], spans: readonly TraceSpan[], stored: string | null): Map<number, string> {
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

function errorTitle(detail: RunDetail, attempts: readonly Attempt[]): string {
  const failed = attempts.filter((attempt) => attempt.outcome === "failed").at(-1);
  if (detail.result)
    return detail.result.status === "CANCELED" ? "Canceled" : failed ? `Attempt ${failed.number} failed, the run ended` : "The run ended";
  return failed ? `Attempt ${failed.number} failed, then retried` : "An attempt failed";
}

function outcomeNote(detail: RunDetail, errorText: string | undefined): string | null {
  if (detail.status === "COMPLETED_SUCCESSFULLY") return null;
  return detail.status === "EXPIRED" ? expiredText(detail) : (errorText ?? null);
}

function logsOf(spans: readonly TraceSpan[]): { logs: LogLine[]; logsCut: boolean } {
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

type Fact = { name: string; value: Words };

function factsOf(detail: RunDetail, related: { base: string; children: readonly string[] }): Fact[] {
  const { header } = detail;
  const { options } = header;
  const run = (id: string): Words => [{ code: friendlyId("run", id), href: `${related.base}/runs/${friendlyId("run", id)}` }];
  const facts: (Fact | null)[] = [
    fact("Idempotency key", options.idempotencyKeyOptions?.key ?? header.idempotencyKey, (key) => [{ code: key }]),
    fact("Concurrency key", header.concurrencyKey, (key) => [{ code: key }]),
    fact("Time to live", options.ttlSeconds, (seconds) => [`${formatSeconds(seconds)} in the queue`]),
    fact("Max duration", options.maxDuration, (seconds) => [`${formatSeconds(seconds)} of run time`]),
    fact("Priority", options.priority, (seconds) => [`${seconds} s ahead`]),
    fact("Parent", header.parentId, run),
    fact("Replay of", header.replayOf, run),
    fact("Children", related.children.length || null, (count) => childWords(count, related)),
    fact("Compute", detail.usageMs || null, (ms) => [formatDuration(ms, 2)]),
    fact("Region", header.region === header.envId ? null : header.region, (region) => [{ code: region }]),
  ];
  return facts.filter((item): item is Fact => item !== null);
}

function childWords(count: number, related: { base: string; children: readonly string[] }): Words {
  const [only] = related.children;
  if (count === 1 && only) return [{ code: friendlyId("run", only), href: `${related.base}/runs/${friendlyId("run", only)}` }];
  return [`${count}${count === CHILDREN_SHOWN ? "+" : ""} runs`];
}

function fact<T>(name: string, value: T | null | undefined, words: (value: T) => Words): Fact | null {
  return value === null || value === undefined || value === "" ? null : { name, value: words(value) };
}
