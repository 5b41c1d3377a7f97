/** The vocabulary of run events: how they are stored, queued and shown. */

/** What a stored event is; codes never change meaning. `partial` is the announcement of a span that has not ended. */
export const EVENT_KINDS = { span: 0, partial: 1, log: 2 } as const;
export type EventKind = keyof typeof EVENT_KINDS;

/** Levels in rising order; the index is the stored code. Spans are TRACE. */
export const EVENT_LEVELS = ["TRACE", "DEBUG", "LOG", "INFO", "WARN", "ERROR"] as const;
export type EventLevel = (typeof EVENT_LEVELS)[number];

/** Name of a stored level code; unknown codes read as LOG, because a display must not fail on them. */
export function levelName(code: number): EventLevel {
  return EVENT_LEVELS[code] ?? "LOG";
}

/** One row to store. Ids are lowercase hex; nanoseconds are decimal text, because they exceed a double's precision. */
export type EventRow = {
  kind: EventKind;
  traceId: string;
  spanId: string;
  parentSpanId: string | null;
  runId: string;
  envId: string;
  level: EventLevel;
  isError: boolean;
  attempt: number | null;
  startNs: string;
  durationNs: string;
  message: string;
  /** JSON object of flattened attributes, or null when there are none. */
  attributes: string | null;
  /** JSON array of `SpanEvent`, or null. */
  events: string | null;
  /** Approximate bytes in memory and in the table; what the queue is bounded by. */
  bytes: number;
};

/** Something that happened inside a span; exceptions have name `exception` and `properties.exception`. */
export type SpanEvent = { name: string; time: string; properties: Record<string, unknown> };

/** Display hints that the SDK attaches (`$style.*`). */
export type SpanStyle = { icon?: string; variant?: string; accessory?: unknown };

/** One line of a trace as the run page and the API show it. */
export type TraceSpan = {
  /** 16 hex characters. */
  id: string;
  /** Null only for the run that the trace was asked for. Always an id of the same answer. */
  parentId: string | null;
  /** 0 for the run itself. */
  depth: number;
  /** Run id without prefix. */
  runId: string;
  attempt: number | null;
  message: string;
  /** Epoch milliseconds, with fraction. */
  startMs: number;
  /** Of a span in progress: until now. Of a log: 0. */
  durationMs: number;
  level: EventLevel;
  /** `run` spans are made from the run itself and never stored. */
  kind: "run" | "span" | "log";
  /** Still in progress. */
  isPartial: boolean;
  isError: boolean;
  isCancelled: boolean;
  style: SpanStyle;
  entity: { type: string; id: string | null } | null;
  /** Unflattened, without the internal ones. Empty beyond the first 10,000 lines and where they are large: ask for the span. */
  attributes: Record<string, unknown>;
  output: unknown;
  events: SpanEvent[];
  /** Only on `run` lines. */
  run: { task: string; status: string; queue: string; machine: string | null; versionId: string | null } | null;
};

/** A run's trace in reading order: each span is followed by its children, siblings by start. */
export type TraceView = {
  traceId: string;
  /** The first is the run itself. */
  spans: TraceSpan[];
  /** True when lines were left out. */
  truncated: boolean;
  /** True when the event store did not answer and only the runs are here. */
  unavailable: boolean;
};

/** OTLP signals by their URL names. */
export type OtlpSignal = "traces" | "logs" | "metrics";

/** An OTLP request as it arrived. */
export type OtlpMessage = { body: Uint8Array; contentType: string | null; contentEncoding: string | null };

/** The 200 answer to an OTLP request, in the request's encoding. */
export type OtlpAnswer = { contentType: "application/json" | "application/x-protobuf"; body: string | Uint8Array<ArrayBuffer> };

/** Counters since start, for metrics and tests. */
export type TelemetryStats = {
  written: number;
  /** Waiting in memory. */
  queued: number;
  queuedBytes: number;
  /** Shed because the queue was full, the run over its cap, the row refused by the database, or left over at stop. */
  dropped: { log: number; partial: number; span: number };
  /** Of requests: without `$trigger`, without a run, too old. */
  ignored: number;
  /** Named another environment than their token. */
  mismatched: number;
};
