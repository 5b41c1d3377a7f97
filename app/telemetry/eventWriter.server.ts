/**
 * Moves events from memory to Postgres: at most 1,000 rows or 250 ms behind, one insert in flight. A database that is
 * away leaves the batch waiting while the queue sheds; a row that the database refuses is dropped alone.
 */
import { errorMessage, type Logger } from "../platform/logger";
import type { Pool } from "../platform/db.server";
import { loadScript } from "../platform/scripts.server";
import type { EventQueue } from "./eventQueue";
import { EVENT_KINDS, EVENT_LEVELS, type EventRow } from "./types";

const INSERT = loadScript("telemetry/sql/insert-events.sql");

/** Rows of one insert; more gain nothing (measured flat beyond 500). */
const BATCH_ROWS = 1_000;
/** Bytes of one insert: bounds what is outside the queue's own bound. */
const BATCH_BYTES = 4 * 1024 * 1024;
/** How long an event may wait for company. */
const FLUSH_DELAY_MS = 250;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;
/** How long stop and reads wait for the queue to empty. */
const SETTLE_DEADLINE_MS = 2_000;
const READ_SETTLE_MS = 500;

type WriterDeps = {
  pool: Pool;
  queue: EventQueue;
  log: Logger;
  /** Called when a row belongs to a day without a partition. */
  onMissingPartition(): Promise<void>;
};

export class EventWriter {
  readonly #deps: WriterDeps;
  #timer: NodeJS.Timeout | undefined;
  #draining: Promise<void> | undefined;
  #started = false;
  #stopping = new AbortController();
  #written = 0;
  #inFlight = 0;
  #failures = 0;

  constructor(deps: WriterDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#started = true;
    this.#stopping = new AbortController();
    if (this.#deps.queue.size > 0) this.#schedule();
  }

  /** Queue events for writing. Never throws, never waits. */
  push(rows: readonly EventRow[]): void {
    for (const row of rows) this.#deps.queue.push(row);
    if (this.#deps.queue.size > 0) this.#schedule();
  }

  /** Counts an event that never reached the queue. */
  drop(row: Pick<EventRow, "kind">): void {
    this.#deps.queue.dropped[row.kind]++;
  }

  /** Write what is queued now and wait for it a moment, so that a reader sees what this process was sent before. */
  async settle(deadlineMs: number = READ_SETTLE_MS): Promise<void> {
    if (this.#deps.queue.size === 0 && !this.#draining) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#drain();
    await withDeadline(this.#draining ?? Promise.resolve(), deadlineMs);
  }

  /** A last flush; what the database does not take in time is dropped and counted. */
  async stop(): Promise<void> {
    if (!this.#started) return;
    await this.settle(SETTLE_DEADLINE_MS);
    this.#started = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#stopping.abort();
    await this.#draining;
    for (
      let rows = this.#deps.queue.take(BATCH_ROWS, BATCH_BYTES);
      rows.length > 0;
      rows = this.#deps.queue.take(BATCH_ROWS, BATCH_BYTES)
    ) {
      rows.forEach((row) => this.drop(row));
    }
    const { log, partial, span } = this.#deps.queue.dropped;
    if (log + partial + span > 0) this.#deps.log.warn("telemetry.dropped", { logs: log, partials: partial, spans: span });
  }

  stats() {
    const { queue } = this.#deps;
    return { written: this.#written, queued: queue.size + this.#inFlight, queuedBytes: queue.bytes, dropped: { ...queue.dropped } };
  }

  #schedule(): void {
    if (!this.#started || this.#draining) return;
    if (this.#deps.queue.size >= BATCH_ROWS) this.#drain();
    else this.#timer ??= setTimeout(() => this.#drain(), FLUSH_DELAY_MS);
  }

  #drain(): void {
    this.#timer = undefined;
    if (this.#draining || !this.#started) return;
    this.#draining = this.#drainAll().finally(() => {
      this.#draining = undefined;
      if (this.#deps.queue.size > 0) this.#schedule();
    });
  }

  async #drainAll(): Promise<void> {
    for (;;) {
      const rows = this.#deps.queue.take(BATCH_ROWS, BATCH_BYTES);
      if (rows.length === 0) return;
      this.#inFlight = rows.length;
      await this.#writeUntilSettled(rows);
      this.#inFlight = 0;
      if (this.#stopping.signal.aborted) return;
    }
  }

  /** Retries while the database is away; halves a batch that it refuses until the bad row is alone. */
  async #writeUntilSettled(rows: EventRow[]): Promise<void> {
    let partitionsChecked = false;
    for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(waitMs * 2, MAX_RETRY_MS)) {
      try {
        await this.#insert(rows);
        this.#written += rows.length;
        this.#recovered();
        return;
      } catch (error) {
        const kind = failureKind(error);
        if (kind === "refused" || (kind === "no-partition" && partitionsChecked)) return this.#split(rows, error);
        if (kind === "no-partition" && (await this.#askForPartitions())) {
          partitionsChecked = true;
          continue;
        }
        this.#reportFailure(error);
        if (!(await this.#sleep(waitMs))) return rows.forEach((row) => this.drop(row));
      }
    }
  }

  async #split(rows: EventRow[], error: unknown): Promise<void> {
    const [only] = rows;
    if (only && rows.length === 1) {
      this.drop(only);
      this.#deps.log.warn("telemetry.row_refused", { run: only.runId, kind: only.kind, message: errorMessage(error) });
      return;
    }
    const middle = Math.ceil(rows.length / 2);
    await this.#writeUntilSettled(rows.slice(0, middle));
    await this.#writeUntilSettled(rows.slice(middle));
  }

  async #askForPartitions(): Promise<boolean> {
    try {
      await this.#deps.onMissingPartition();
      return true;
    } catch {
      return false;
    }
  }

  async #insert(rows: readonly EventRow[]): Promise<void> {
    await this.#deps.pool.query({ name: "telemetry-insert-events", text: INSERT, values: columns(rows) });
  }

  /** One line when it begins to fail and one when it works again; not one per retry. */
  #reportFailure(error: unknown): void {
    if (this.#failures++ === 0) this.#deps.log.warn("telemetry.store_unavailable", { message: errorMessage(error) });
  }

  #recovered(): void {
    if (this.#failures > 0) this.#deps.log.info("telemetry.store_available", { failures: this.#failures });
    this.#failures = 0;
  }

  /** False when the writer is stopping. */
  #sleep(ms: number): Promise<boolean> {
    const { signal } = this.#stopping;
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve(!signal.aborted);
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done);
    });
  }
}

function columns(rows: readonly EventRow[]): unknown[] {
  return [
    rows.map((row) => row.traceId),
    rows.map((row) => row.spanId),
    rows.map((row) => row.parentSpanId),
    rows.map((row) => row.startNs),
    rows.map((row) => row.durationNs),
    rows.map((row) => row.runId),
    rows.map((row) => row.envId),
    rows.map((row) => EVENT_KINDS[row.kind]),
    rows.map((row) => EVENT_LEVELS.indexOf(row.level)),
    rows.map((row) => row.isError),
    rows.map((row) => row.attempt),
    rows.map((row) => row.message),
    rows.map((row) => row.attributes),
    rows.map((row) => row.events),
  ];
}

/** SQLSTATE 23514 is "no partition for this row"; class 22 is data that the database does not take. Everything else may pass. */
function failureKind(error: unknown): "refused" | "no-partition" | "unavailable" {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "23514") return "no-partition";
  return code.startsWith("22") || code.startsWith("23") ? "refused" : "unavailable";
}

async function withDeadline(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, deadline]);
  clearTimeout(timer);
}
