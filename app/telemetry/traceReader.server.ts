/** Reads the trace of a run: its events, and the runs below it that share the trace. */
import type { Clock } from "../platform/clock";
import type { Pool } from "../platform/db.server";
import { errorMessage, type Logger } from "../platform/logger";
import { loadScript } from "../platform/scripts.server";
import type { RunDetail, RunListItem, RunStore } from "../runops/runStore";
import type { EventWriter } from "./eventWriter.server";
import { buildTrace, MAX_DETAILED_SPANS, MAX_TRACE_SPANS, readDetails, readEvents, type StoredEvent, type TraceRun } from "./traceTree";
import type { TraceSpan, TraceView } from "./types";

const READ_TRACE = loadScript("telemetry/sql/read-trace.sql");
const READ_SPAN = loadScript("telemetry/sql/read-span.sql");

/** Clocks of workers and ours differ a little. */
const MARGIN_MS = 60_000;
/** Every span may have a partial row too. */
const MAX_ROWS = MAX_TRACE_SPANS * 2;
/** Attributes of a line in the tree; 10,000 such lines are 40 MB. */
const MAX_INLINE_BYTES = 4 * 1024;
/** Runs below that have not sent an event yet are found as children of the run itself, up to this many. */
const MAX_CHILDREN = 200;
/** Runs of a trace that are looked up. */
const MAX_RUNS = 1_000;

type ReaderDeps = { pool: Pool; writer: EventWriter; store: Pick<RunStore, "childrenOf" | "getRuns">; clock: Clock; log: Logger };
type Range = { fromNs: string; untilNs: string };

export class TraceReader {
  readonly #deps: ReaderDeps;

  constructor(deps: ReaderDeps) {
    this.#deps = deps;
  }

  /** See `Telemetry.trace`. */
  async trace(envId: string, run: RunDetail): Promise<TraceView> {
    await this.#deps.writer.settle();
    const nowMs = this.#deps.clock.now();
    const { fromNs, untilNs } = rangeOf(run, nowMs);
    const values = [envId, run.header.traceId, fromNs, untilNs, MAX_ROWS + 1, MAX_DETAILED_SPANS, MAX_INLINE_BYTES];
    const rows = await this.#readRows(values);
    const view = buildTrace({
      traceId: run.header.traceId,
      root: { ...run, completedAt: run.result?.completedAt ?? null },
      others: await this.#otherRuns(envId, run, rows ?? []),
      events: (rows ?? []).slice(0, MAX_ROWS),
      nowMs,
      cut: rows !== null && rows.length > MAX_ROWS,
    });
    return { ...view, unavailable: rows === null };
  }

  /** See `Telemetry.span`. */
  async span(envId: string, run: RunDetail, spanId: string): Promise<TraceSpan | null> {
    const { spans } = await this.trace(envId, run);
    const line = spans.find((candidate) => candidate.id === spanId);
    if (!line || line.kind === "run") return line ?? null;
    const { fromNs, untilNs } = rangeOf(run, this.#deps.clock.now());
    const values = [envId, run.header.traceId, fromNs, untilNs, spanId];
    const { rows } = await this.#deps.pool.query<Pick<StoredEvent, "attrs" | "events">>({
      name: "telemetry-read-span",
      text: READ_SPAN,
      values,
    });
    const row = rows[0];
    return row ? { ...line, ...readDetails(row.attrs), events: readEvents(row.events) } : line;
  }

  /** Null when the event store does not answer: the run itself can still be shown. */
  async #readRows(values: unknown[]): Promise<StoredEvent[] | null> {
    try {
      return (await this.#deps.pool.query<StoredEvent>({ name: "telemetry-read-trace", text: READ_TRACE, values })).rows;
    } catch (error) {
      this.#deps.log.warn("telemetry.read_failed", { message: errorMessage(error) });
      return null;
    }
  }

  async #otherRuns(envId: string, run: RunDetail, rows: readonly StoredEvent[]): Promise<TraceRun[]> {
    const seen = new Set(rows.map((row) => row.run_id));
    seen.delete(run.header.id);
    const [children, others] = await Promise.all([
      this.#deps.store.childrenOf(envId, run.header.id, MAX_CHILDREN),
      seen.size > 0 ? this.#deps.store.getRuns(envId, [...seen].slice(0, MAX_RUNS)) : new Map<string, RunListItem>(),
    ]);
    for (const child of children) others.set(child.header.id, child);
    return [...others.values()].filter((other) => other.header.traceId === run.header.traceId && other.header.id !== run.header.id);
  }
}

/** Runs below may outlive the run, so a run that has ended is read up to a day further; that is at most one partition more. */
function rangeOf(run: RunDetail, nowMs: number): Range {
  const from = run.header.createdAt.getTime() - MARGIN_MS;
  const ended = run.result ? run.result.completedAt.getTime() + 86_400_000 : nowMs;
  const until = Math.max(Math.min(ended, nowMs), from) + MARGIN_MS;
  return { fromNs: `${from}000000`, untilNs: `${until}000000` };
}
