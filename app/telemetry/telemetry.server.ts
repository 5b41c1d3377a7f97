/**
 * Telemetry: OTLP in, traces out. Events are stored by a writer of its own with a pool of its own; when the event store
 * is slow or down, events are dropped and counted, and runs do not notice.
 */
import type { EnvironmentView } from "../environments/types";
import type { Clock } from "../platform/clock";
import { createPool } from "../platform/db.server";
import type { Logger } from "../platform/logger";
import type { RunDetail, RunStore } from "../runops/runStore";
import { EventQueue } from "./eventQueue";
import { EventWriter } from "./eventWriter.server";
import { createPartitionLoop } from "./partitions.server";
import { OtlpIngest } from "./otlpIngest.server";
import { signOtlpToken, verifyOtlpToken } from "./otlpToken";
import { TraceReader } from "./traceReader.server";
import type { OtlpAnswer, OtlpMessage, OtlpSignal, TelemetryStats, TraceSpan, TraceView } from "./types";

export type { OtlpAnswer, OtlpMessage, OtlpSignal, SpanEvent, SpanStyle, TelemetryStats, TraceSpan, TraceView } from "./types";

export type Telemetry = {
  /** `<origin>/otel/<token>`: the exporters append `/v1/traces|logs|metrics`. Goes into the variables of every attempt. */
  otlpEndpoint(env: Pick<EnvironmentView, "id">): string;
  /** The environment that an OTLP path token proves, or null. */
  environmentOfToken(token: string): string | null;
  /**
   * Parse, filter and queue a request of `envId`; resolves as soon as the events are in memory.
   * Throws AppError 400 (content type, malformed), 403 (everything names another environment), 413 (over 20 MB unpacked).
   */
  ingest(envId: string, signal: OtlpSignal, message: OtlpMessage): Promise<OtlpAnswer>;
  /** The run, what happened in it, and the runs below it in the same trace. A run without events, or an event store that is away, gives the runs alone. */
  trace(envId: string, run: RunDetail): Promise<TraceView>;
  /** One line of that trace with all its attributes, and the log lines and spans directly below it; null when it is not there. */
  span(envId: string, run: RunDetail, spanId: string): Promise<TraceSpan | null>;
  stats(): TelemetryStats;
  /** Creates the partitions and starts writing; a database that is down delays both and stops nothing. */
  start(): Promise<void>;
  /** Writes what is queued, for two seconds at most. May be called again. */
  stop(): Promise<void>;
};

export type TelemetryDeps = {
  /** Database that holds schema `run_ops`. */
  databaseUrl: string;
  /** Public origin without trailing slash, for example `http://127.0.0.1:3030`. */
  origin: string;
  /** Server secret; the same on every process. */
  secret: string;
  /** `TELEMETRY_RETENTION_DAYS`. */
  retentionDays: number;
  /** `TELEMETRY_QUEUE_MB` in bytes. */
  queueBytes: number;
  /** `TELEMETRY_MAX_EVENTS_PER_RUN`. */
  maxEventsPerRun: number;
  store: Pick<RunStore, "childrenOf" | "getRuns">;
  clock: Clock;
  log: Logger;
};

/** One flush and one read at a time are plenty; the third connection is for partitions. */
const POOL_SIZE = 3;
/** A statement of ours that takes longer is given up: reads answer an error, writes are retried. */
const STATEMENT_TIMEOUT_MS = 15_000;

/** Builds telemetry; nothing is connected before the first use. */
export function createTelemetry(deps: TelemetryDeps): Telemetry {
  const log = deps.log.with({ domain: "telemetry" });
  const pool = createPool({
    url: deps.databaseUrl,
    max: POOL_SIZE,
    name: "sluice-telemetry",
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    log,
  });
  const partitions = createPartitionLoop({ pool, clock: deps.clock, log, retentionDays: deps.retentionDays });
  const queue = new EventQueue(deps.queueBytes);
  const writer = new EventWriter({ pool, queue, log, onMissingPartition: () => partitions.runOnce() });
  const ingest = new OtlpIngest({ writer, clock: deps.clock, retentionDays: deps.retentionDays, maxEventsPerRun: deps.maxEventsPerRun });
  const reader = new TraceReader({ pool, writer, store: deps.store, clock: deps.clock, log });

  return {
    otlpEndpoint: (env) => `${deps.origin}/otel/${signOtlpToken(deps.secret, env.id)}`,
    environmentOfToken: (token) => verifyOtlpToken(deps.secret, token),
    ingest: (envId, signal, message) => ingest.call(envId, signal, message),
    trace: (envId, run) => reader.trace(envId, run),
    span: (envId, run, spanId) => reader.span(envId, run, spanId),
    stats: () => ({ ...writer.stats(), ...ingest.stats() }),
    async start() {
      await partitions.runOnce().catch((error: Error) => log.warn("telemetry.partitions_later", { message: error.message }));
      partitions.start();
      writer.start();
    },
    async stop() {
      await partitions.stop();
      await writer.stop();
      if (!pool.ending) await pool.end();
    },
  };
}
