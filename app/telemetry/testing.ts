/** Events for tests, made by the real OpenTelemetry SDK and serialised by the real exporters. */
import { SeverityNumber } from "@opentelemetry/api-logs";
import { JsonLogsSerializer, JsonTraceSerializer, ProtobufLogsSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes, type Resource } from "@opentelemetry/resources";
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor, type ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { plainHeader } from "../../test/plainRun";
import { manualClock } from "../platform/clock";
import { silentLogger, type Logger } from "../platform/logger";
import type { RunStatus } from "../runops/runStates";
import type { RunDetail, RunListItem } from "../runops/runStore";
import { mintId } from "../utils/ids";
import { createTelemetry, type Telemetry } from "./telemetry.server";
import type { OtlpMessage } from "./types";

export const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
export const RUN_SPAN_ID = "b7ad6b7169203331";

export type Encoding = "json" | "protobuf";

/** What a worker process of the SDK says of itself. */
export function workerResource(attributes: Record<string, string | number | boolean> = {}): Resource {
  return resourceFromAttributes({ $trigger: true, "service.name": "trigger.dev", ...attributes });
}

/** Attributes that the SDK puts on every span and log of a run. */
export function runAttributes(runId: string, attempt = 1): Record<string, string | number> {
  return { "$metadata.ctx.run.id": `run_${runId}`, "$metadata.ctx.attempt.number": attempt, "$metadata.ctx.task.id": "hello" };
}

/** A tracer whose spans hang below the run's own span, and what it has ended. */
export function recorder(resource: Resource) {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ resource, spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const logExporter = new InMemoryLogRecordExporter();
  const logs = new LoggerProvider({ resource, processors: [new SimpleLogRecordProcessor(logExporter)] });
  return {
    tracer: provider.getTracer("test"),
    logger: logs.getLogger("test"),
    spans: () => exporter.getFinishedSpans(),
    logs: () => logExporter.getFinishedLogRecords(),
  };
}

export { SeverityNumber };

/** A traces request as the OTLP/HTTP exporters send it. */
export function tracesRequest(spans: readonly ReadableSpan[], encoding: Encoding): OtlpMessage {
  const serializer = encoding === "json" ? JsonTraceSerializer : ProtobufTraceSerializer;
  return message(serializer.serializeRequest([...spans]), encoding);
}

/** A logs request as the OTLP/HTTP exporters send it. */
export function logsRequest(records: ReturnType<ReturnType<typeof recorder>["logs"]>, encoding: Encoding): OtlpMessage {
  const serializer = encoding === "json" ? JsonLogsSerializer : ProtobufLogsSerializer;
  return message(serializer.serializeRequest([...records]), encoding);
}

function message(body: Uint8Array | undefined, encoding: Encoding): OtlpMessage {
  if (!body) throw new Error("The serializer returned nothing.");
  return { body, contentType: encoding === "json" ? "application/json" : "application/x-protobuf", contentEncoding: null };
}

/** Plain JSON requests, for what no exporter would send. */
export function jsonMessage(value: unknown, contentType = "application/json"): OtlpMessage {
  return { body: Buffer.from(typeof value === "string" ? value : JSON.stringify(value)), contentType, contentEncoding: null };
}

export type RunFixture = {
  id?: string;
  status?: RunStatus;
  parentId?: string;
  spanId?: string;
  parentSpanId?: string;
  attempt?: number;
  completedAt?: Date;
  task?: string;
};

/** A run as the store returns it. */
export function runFixture(nowMs: number, fixture: RunFixture = {}): RunDetail {
  const id = fixture.id ?? mintId(nowMs);
  const header = {
    ...plainHeader(nowMs),
    id,
    createdAt: new Date(nowMs),
    envId: "",
    task: fixture.task ?? "hello",
    queue: "task/hello",
    payload: null,
    traceId: TRACE_ID,
    spanId: fixture.spanId ?? RUN_SPAN_ID,
    parentSpanId: fixture.parentSpanId ?? null,
    parentId: fixture.parentId ?? null,
  };
  const shared = {
    status: fixture.status ?? "EXECUTING",
    state: "EXECUTING" as const,
    seq: 3,
    attempt: fixture.attempt ?? 1,
    versionId: null,
    machine: "small-1x",
    dueAt: null,
    queuedAt: null,
    startedAt: null,
    executedAt: null,
    updatedAt: new Date(nowMs),
    usageMs: 0,
    costInCents: 0,
    reason: null,
    metadata: null,
    metadataType: "application/json",
    metadataVersion: 0,
  };
  return { header, ...shared, lastError: null, history: [], result: fixture.completedAt ? resultFixture(id, fixture.completedAt) : null };
}

/** The same run as lists return it. */
export function listItem(run: RunDetail): RunListItem {
  const { history: _history, lastError: _lastError, result, header, ...rest } = run;
  const { payload: _payload, ...listed } = header;
  return { ...rest, header: listed, completedAt: result?.completedAt ?? null, error: null };
}

function resultFixture(id: string, completedAt: Date): NonNullable<RunDetail["result"]> {
  return {
    id,
    envId: "",
    task: "hello",
    status: "COMPLETED_SUCCESSFULLY",
    completedAt,
    queuedAt: null,
    startedAt: null,
    executedAt: null,
    attempts: 1,
    usageMs: 0,
    costInCents: 0,
    versionId: null,
    machine: null,
    output: null,
    outputType: "application/json",
    error: null,
    metadata: null,
    metadataType: "application/json",
    metadataVersion: 0,
    attemptSeq: null,
    finalSeq: 4,
    updatedAt: completedAt,
  };
}

export type TelemetryFixture = {
  databaseUrl: string;
  nowMs?: number;
  runs?: RunListItem[];
  queueBytes?: number;
  maxEventsPerRun?: number;
  log?: Logger;
};

/** Telemetry over a real database; `runs` is what the run store would know. */
export function telemetryFixture(fixture: TelemetryFixture): { telemetry: Telemetry; clock: ReturnType<typeof manualClock> } {
  const clock = manualClock(fixture.nowMs ?? Date.now());
  const runs = new Map((fixture.runs ?? []).map((run) => [run.header.id, run]));
  const telemetry = createTelemetry({
    databaseUrl: fixture.databaseUrl,
    origin: "http://127.0.0.1:3030",
    secret: "a secret for tests",
    retentionDays: 7,
    queueBytes: fixture.queueBytes ?? 32 * 1024 * 1024,
    maxEventsPerRun: fixture.maxEventsPerRun ?? 100_000,
    store: {
      childrenOf: async (_envId, id) => [...runs.values()].filter((run) => run.header.parentId === id),
      getRuns: async (_envId, ids) => new Map(ids.flatMap((id) => (runs.has(id) ? [[id, runs.get(id) as RunListItem]] : []))),
    },
    clock,
    log: fixture.log ?? silentLogger,
  });
  return { telemetry, clock };
}
