/** OTLP in, traces out, over a real database and requests of the real exporters. */
import { gzipSync } from "node:zlib";
import { context, trace, TraceFlags, type Context } from "@opentelemetry/api";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTestServices, type TestServices } from "../../test/services";
import { mintId } from "../utils/ids";
import type { Telemetry } from "./telemetry.server";
import {
  jsonMessage,
  listItem,
  logsRequest,
  recorder,
  RUN_SPAN_ID,
  runAttributes,
  runFixture,
  SeverityNumber,
  telemetryFixture,
  TRACE_ID,
  tracesRequest,
  workerResource,
  type Encoding,
} from "./testing";

const NOW = Date.now();
const ENV = mintId(NOW);
let services: TestServices;
let telemetry: Telemetry;

beforeAll(async () => {
  services = await createTestServices();
  telemetry = telemetryFixture({ databaseUrl: services.databaseUrl }).telemetry;
  await telemetry.start();
});
afterAll(async () => {
  await telemetry.stop();
  await services.close();
});
beforeEach(async () => {
  await services.pool.query("DELETE FROM run_ops.event");
});

/** The context in which the worker starts an attempt: below the run's own span. */
function runContext(): Context {
  return trace.setSpanContext(context.active(), { traceId: TRACE_ID, spanId: RUN_SPAN_ID, traceFlags: TraceFlags.SAMPLED, isRemote: true });
}

/** Attempt 1 with run() in it and a failed step in that. */
function recordAttempt(runId: string) {
  const recorded = recorder(workerResource());
  const attributes = runAttributes(runId);
  const attempt = recorded.tracer.startSpan("Attempt 1", { attributes, startTime: NOW }, runContext());
  const inAttempt = trace.setSpan(runContext(), attempt);
  const run = recorded.tracer.startSpan(
    "run()",
    { attributes: { ...attributes, "$style.icon": "task-fn-run", n: 1 }, startTime: NOW + 1 },
    inAttempt
  );
  const step = recorded.tracer.startSpan(
    "step",
    { attributes: { ...attributes, "user.name": "ada", list: ["a", "b"] }, startTime: NOW + 2 },
    trace.setSpan(inAttempt, run)
  );
  step.recordException(Object.assign(new Error("boom"), { name: "StepError" }), NOW + 3);
  step.setStatus({ code: 2, message: "boom" });
  step.end(NOW + 4);
  run.end(NOW + 5);
  attempt.end(NOW + 6);
  return { recorded, attempt, run, step };
}

describe("test 165: encodings and who may send", () => {
  it("gives the same tree for JSON and protobuf of the same spans and logs", async () => {
    const views: unknown[] = [];
    for (const encoding of ["json", "protobuf"] satisfies Encoding[]) {
      const run = runFixture(NOW, { id: "c".padEnd(25, "0") });
      await services.pool.query("DELETE FROM run_ops.event");
      const { recorded } = attemptOf(run.header.id);
      expect(await telemetry.ingest(ENV, "traces", tracesRequest(recorded.spans(), encoding))).toEqual({
        contentType: encoding === "json" ? "application/json" : "application/x-protobuf",
        body: encoding === "json" ? "{}" : new Uint8Array(0),
      });
      await telemetry.ingest(ENV, "logs", logsRequest(recorded.logs(), encoding));
      const view = await telemetry.trace(ENV, run);
      views.push(
        view.spans.map((span) => (span.kind === "log" ? { ...span, id: "log" } : span.kind === "run" ? { ...span, durationMs: 0 } : span))
      );
    }
    expect(views[0]).toEqual(views[1]);
    expect(views[0]).toMatchObject([
      { kind: "run", message: "hello", parentId: null, depth: 0, isPartial: true },
      { message: "Attempt 1", parentId: RUN_SPAN_ID, depth: 1, attempt: 1, durationMs: 6, isError: false },
      { message: "run()", depth: 2, style: { icon: "task-fn-run" }, attributes: { n: 1 } },
      { message: "step", depth: 3, isError: true, attributes: { user: { name: "ada" } } },
      { kind: "log", message: "said", depth: 4, level: "INFO" },
    ]);
    const step = (views[0] as { message: string; events: unknown[] }[])[3];
    expect(step?.events).toMatchObject([{ name: "exception", properties: { exception: { type: "StepError", message: "boom" } } }]);
  });

  const shared = new Map<string, ReturnType<typeof recordAttempt>>();
  function attemptOf(runId: string) {
    const known = shared.get(runId);
    if (known) return known;
    const attempt = recordAttempt(runId);
    const inStep = trace.setSpan(runContext(), attempt.step);
    attempt.recorded.logger.emit({
      body: "said",
      severityText: "info",
      severityNumber: SeverityNumber.INFO,
      timestamp: NOW + 3,
      attributes: runAttributes(runId),
      context: inStep,
    });
    shared.set(runId, attempt);
    return attempt;
  }

  it("takes gzip, and refuses what is neither JSON nor protobuf, malformed, or too large", async () => {
    const run = runFixture(NOW);
    const request = tracesRequest(recordAttempt(run.header.id).recorded.spans(), "json");
    await telemetry.ingest(ENV, "traces", { ...request, body: gzipSync(request.body), contentEncoding: "gzip" });
    expect((await telemetry.trace(ENV, run)).spans).toHaveLength(4);

    const refused = (message: Parameters<Telemetry["ingest"]>[2]) => telemetry.ingest(ENV, "traces", message);
    await expect(refused(jsonMessage({}, "text/csv"))).rejects.toMatchObject({ status: 400, code: "unsupported_content_type" });
    await expect(refused(jsonMessage("{oops"))).rejects.toMatchObject({ status: 400, code: "invalid_otlp" });
    await expect(refused(jsonMessage([]))).rejects.toMatchObject({ status: 400 });
    await expect(refused(jsonMessage("\u000a\u0005nope", "application/x-protobuf"))).rejects.toMatchObject({
      status: 400,
      code: "invalid_otlp",
    });
    await expect(refused({ ...jsonMessage("nope"), contentEncoding: "gzip" })).rejects.toMatchObject({ status: 400 });
    await expect(refused({ ...jsonMessage("nope"), contentEncoding: "br" })).rejects.toMatchObject({ status: 400 });
    const bomb = gzipSync(Buffer.alloc(21 * 1024 * 1024));
    await expect(refused({ body: bomb, contentType: "application/json", contentEncoding: "gzip" })).rejects.toMatchObject({ status: 413 });
  });

  it("ignores what the SDK did not mark or what belongs to no run, and refuses another environment", async () => {
    const run = runFixture(NOW);
    const foreign = recorder(workerResource({ $trigger: false }));
    foreign.tracer.startSpan("not ours", { attributes: runAttributes(run.header.id) }, runContext()).end();
    await telemetry.ingest(ENV, "traces", tracesRequest(foreign.spans(), "json"));
    const runless = recorder(workerResource());
    runless.tracer.startSpan("no run", {}, runContext()).end();
    await telemetry.ingest(ENV, "traces", tracesRequest(runless.spans(), "json"));
    expect((await telemetry.trace(ENV, run)).spans).toHaveLength(1);

    const other = recorder(workerResource({ "ctx.environment.id": mintId(NOW) }));
    other.tracer.startSpan("elsewhere", { attributes: runAttributes(run.header.id) }, runContext()).end();
    await expect(telemetry.ingest(ENV, "traces", tracesRequest(other.spans(), "json"))).rejects.toMatchObject({ status: 403 });
    const mixed = tracesRequest([...other.spans(), ...recordAttempt(run.header.id).recorded.spans()], "json");
    expect(await telemetry.ingest(ENV, "traces", mixed)).toMatchObject({
      body: JSON.stringify({ partialSuccess: { rejectedSpans: "1", errorMessage: "named another environment" } }),
    });
    expect((await telemetry.trace(ENV, run)).spans).toHaveLength(4);
    expect((await telemetry.trace(mintId(NOW), run)).spans).toHaveLength(1);
  });

  it("hands out endpoints whose token proves the environment and nothing else", () => {
    const endpoint = telemetry.otlpEndpoint({ id: ENV });
    const token = endpoint.split("/otel/")[1] ?? "";
    expect(endpoint).toBe(`http://127.0.0.1:3030/otel/${token}`);
    expect(telemetry.environmentOfToken(token)).toBe(ENV);
    for (const wrong of [
      "",
      ENV,
      `${ENV}.`,
      `${mintId(NOW)}.${token.split(".")[1]}`,
      `${token}00`,
      token.slice(0, -1),
      `${token.slice(0, -2)}zz`,
    ]) {
      expect(telemetry.environmentOfToken(wrong)).toBeNull();
    }
  });
});

describe("test 166: partial and final spans", () => {
  function partialAndFinal(runId: string) {
    const recorded = recorder(workerResource());
    const attributes = runAttributes(runId);
    const span = recorded.tracer.startSpan("work", { attributes, startTime: NOW }, runContext());
    const announced = { ...attributes, "$span.partial": true, "$span.span_id": span.spanContext().spanId };
    recorded.tracer.startSpan("work", { attributes: announced, startTime: NOW }, runContext()).end(NOW);
    span.end(NOW + 10);
    const [partial, final] = recorded.spans();
    if (!partial || !final) throw new Error("two spans were recorded");
    return { partial, final, spanId: span.spanContext().spanId };
  }

  it.each(["partial first", "final first", "one request"])("shows the final one: %s", async (order) => {
    const run = runFixture(NOW);
    const { partial, final, spanId } = partialAndFinal(run.header.id);
    const requests = order === "one request" ? [[partial, final]] : order === "final first" ? [[final], [partial]] : [[partial], [final]];
    for (const spans of requests) {
      await telemetry.ingest(ENV, "traces", tracesRequest(spans, "json"));
      await telemetry.trace(ENV, run);
    }
    expect((await telemetry.trace(ENV, run)).spans.slice(1)).toMatchObject([{ id: spanId, isPartial: false, durationMs: 10 }]);
    const { rows } = await services.pool.query<{ n: number }>("SELECT count(*)::int AS n FROM run_ops.event");
    expect(rows[0]?.n).toBe(order === "one request" ? 1 : 2);
  });

  it("is in progress while its run lives, and closed with the run's outcome afterwards", async () => {
    const run = runFixture(NOW);
    const { partial } = partialAndFinal(run.header.id);
    await telemetry.ingest(ENV, "traces", tracesRequest([partial], "json"));
    expect((await telemetry.trace(ENV, run)).spans[1]).toMatchObject({ isPartial: true, isCancelled: false, isError: false });
    const completedAt = new Date(NOW + 500);
    const cancelled = runFixture(NOW, { id: run.header.id, status: "CANCELED", completedAt });
    expect((await telemetry.trace(ENV, cancelled)).spans[1]).toMatchObject({ isPartial: false, isCancelled: true, durationMs: 500 });
    const failed = runFixture(NOW, { id: run.header.id, status: "CRASHED", completedAt });
    expect((await telemetry.trace(ENV, failed)).spans[1]).toMatchObject({ isPartial: false, isError: true, durationMs: 500 });
  });
});

describe("test 167: logs", () => {
  it("hang below their span, carry their level, and are cut at 4 KB", async () => {
    const run = runFixture(NOW);
    const { recorded, step } = recordAttempt(run.header.id);
    const inStep = trace.setSpan(runContext(), step);
    const attributes = runAttributes(run.header.id);
    const emit = (severityText: string, severityNumber: number, body: string | Record<string, string>, offset: number) =>
      recorded.logger.emit({
        severityText,
        severityNumber,
        body,
        attributes: { ...attributes, order: { id: "o1" } },
        context: inStep,
        timestamp: NOW + offset,
      });
    emit("debug", SeverityNumber.DEBUG, "d", 10);
    emit("Log", SeverityNumber.INFO, "l", 11);
    emit("warn", SeverityNumber.WARN, "w\u0000ith nul", 12);
    emit("", SeverityNumber.ERROR, { a: "b" }, 13);
    emit("info", SeverityNumber.INFO, `${"€".repeat(2_000)}`, 14);
    await telemetry.ingest(ENV, "traces", tracesRequest(recorded.spans(), "protobuf"));
    await telemetry.ingest(ENV, "logs", logsRequest(recorded.logs(), "protobuf"));
    const logs = (await telemetry.trace(ENV, run)).spans.filter((span) => span.kind === "log");
    expect(logs.map((log) => [log.level, log.message.slice(0, 10), log.parentId])).toEqual([
      ["DEBUG", "d", step.spanContext().spanId],
      ["LOG", "l", step.spanContext().spanId],
      ["WARN", "with nul", step.spanContext().spanId],
      ["ERROR", '{"a":"b"}', step.spanContext().spanId],
      ["INFO", "€".repeat(10), step.spanContext().spanId],
    ]);
    expect(logs[4]?.message).toBe("€".repeat(1_365));
    const [first] = logs;
    expect(await telemetry.span(ENV, run, first?.id ?? "")).toMatchObject({ message: "d", attributes: { order: { id: "o1" } } });
  });
});

describe("test 168: large traces", () => {
  it("cuts 30,000 spans at 25,000 and says so", async () => {
    const run = runFixture(NOW);
    const spans = Array.from({ length: 30_000 }, (_, index) => ({
      traceId: TRACE_ID,
      spanId: (index + 1).toString(16).padStart(16, "0"),
      parentSpanId: RUN_SPAN_ID,
      name: `span ${index}`,
      startTimeUnixNano: `${NOW}${String(index).padStart(6, "0")}`,
      endTimeUnixNano: `${NOW + 1}${String(index).padStart(6, "0")}`,
      attributes: [{ key: "$metadata.ctx.run.id", value: { stringValue: `run_${run.header.id}` } }],
    }));
    const resource = { attributes: [{ key: "$trigger", value: { boolValue: true } }] };
    await telemetry.ingest(ENV, "traces", jsonMessage({ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] }));
    await expect.poll(() => telemetry.stats().queued, { timeout: 20_000 }).toBe(0);
    const view = await telemetry.trace(ENV, run);
    expect(view.truncated).toBe(true);
    expect(view.spans).toHaveLength(25_000);
  });
});

describe("children and attempts", () => {
  it("shows runs of the same trace below the span that triggered them, and leaves siblings out", async () => {
    const root = runFixture(NOW);
    const { recorded, step } = recordAttempt(root.header.id);
    const child = runFixture(NOW, {
      parentId: root.header.id,
      spanId: "00000000000000c1",
      parentSpanId: step.spanContext().spanId,
      task: "child",
    });
    const stranger = runFixture(NOW, { parentId: mintId(NOW), spanId: "00000000000000d1", task: "stranger" });
    const { telemetry: own } = telemetryFixture({ databaseUrl: services.databaseUrl, runs: [listItem(child), listItem(stranger)] });
    await own.start();
    await own.ingest(ENV, "traces", tracesRequest(recorded.spans(), "json"));
    const inStranger = recorder(workerResource());
    inStranger.tracer.startSpan("hidden", { attributes: runAttributes(stranger.header.id) }, runContext()).end();
    await own.ingest(ENV, "traces", tracesRequest(inStranger.spans(), "json"));
    const view = await own.trace(ENV, root);
    await own.stop();
    expect(view.spans.map((span) => `${span.depth} ${span.kind} ${span.message}`)).toEqual([
      "0 run hello",
      "1 span Attempt 1",
      "2 span run()",
      "3 span step",
      "4 run child",
    ]);
  });

  it("closes what the attempt before left open, at the start of the next one", async () => {
    const run = runFixture(NOW, { attempt: 2 });
    const recorded = recorder(workerResource());
    const open = { ...runAttributes(run.header.id, 1), "$span.partial": true, "$span.span_id": "00000000000000aa" };
    recorded.tracer.startSpan("left open", { attributes: open, startTime: NOW }, runContext()).end(NOW);
    recorded.tracer
      .startSpan("Attempt 2", { attributes: runAttributes(run.header.id, 2), startTime: NOW + 50 }, runContext())
      .end(NOW + 60);
    await telemetry.ingest(ENV, "traces", tracesRequest(recorded.spans(), "json"));
    expect((await telemetry.trace(ENV, run)).spans[1]).toMatchObject({
      message: "left open",
      isPartial: false,
      isError: true,
      durationMs: 50,
    });
  });
});

describe("test 169: bounds and failure", () => {
  it("answers while the event store is down, drops and counts the rest, and still reads the run", async () => {
    const { telemetry: cut } = telemetryFixture({ databaseUrl: "postgres://nobody@127.0.0.1:1/none", queueBytes: 20_000 });
    await cut.start();
    const run = runFixture(NOW);
    for (let request = 0; request < 40; request++) {
      const { recorded } = recordAttempt(run.header.id);
      recorded.logger.emit({
        body: "x".repeat(500),
        severityText: "info",
        attributes: runAttributes(run.header.id),
        context: runContext(),
      });
      expect(await cut.ingest(ENV, "traces", tracesRequest(recorded.spans(), "json"))).toMatchObject({ body: "{}" });
      expect(await cut.ingest(ENV, "logs", logsRequest(recorded.logs(), "json"))).toMatchObject({ body: "{}" });
    }
    const stats = cut.stats();
    expect(stats.written).toBe(0);
    expect(stats.queuedBytes).toBeLessThanOrEqual(20_000);
    expect(stats.dropped.log).toBeGreaterThan(30);
    expect(stats.dropped.span).toBeGreaterThan(0);
    expect(await cut.trace(ENV, run)).toMatchObject({ unavailable: true, spans: [{ kind: "run" }] });
    await cut.stop();
    expect(cut.stats().queued).toBe(0);
  });

  it("writes what waited once the store is back", async () => {
    await services.pool.query("ALTER TABLE run_ops.event RENAME TO event_away");
    const { telemetry: own } = telemetryFixture({ databaseUrl: services.databaseUrl });
    await own.start();
    const run = runFixture(NOW);
    await own.ingest(ENV, "traces", tracesRequest(recordAttempt(run.header.id).recorded.spans(), "json"));
    expect(await own.trace(ENV, run)).toMatchObject({ unavailable: true });
    await services.pool.query("ALTER TABLE run_ops.event_away RENAME TO event");
    await expect.poll(() => own.stats().written, { timeout: 20_000 }).toBe(3);
    expect((await own.trace(ENV, run)).spans).toHaveLength(4);
    await own.stop();
  });

  it("stops counting a run's events at its cap", async () => {
    const { telemetry: own } = telemetryFixture({ databaseUrl: services.databaseUrl, maxEventsPerRun: 4 });
    await own.start();
    const run = runFixture(NOW);
    for (let n = 0; n < 3; n++) await own.ingest(ENV, "traces", tracesRequest(recordAttempt(run.header.id).recorded.spans(), "json"));
    await own.trace(ENV, run);
    expect(own.stats()).toMatchObject({ written: 4, dropped: { span: 5 } });
    await own.stop();
  });
});

describe("partitions", () => {
  it("exist for the whole retention and two days ahead, and older ones are dropped", async () => {
    const { telemetry: own, clock } = telemetryFixture({ databaseUrl: services.databaseUrl });
    await own.start();
    await own.stop();
    const before = await partitionNames();
    expect(before).toHaveLength(10);
    clock.advance(3 * 86_400_000);
    const { telemetry: later } = telemetryFixture({ databaseUrl: services.databaseUrl, nowMs: clock.now() });
    await later.start();
    await later.stop();
    const after = await partitionNames();
    expect(after).toHaveLength(10);
    expect(after.slice(0, 7)).toEqual(before.slice(3));
  });

  async function partitionNames(): Promise<string[]> {
    const { rows } = await services.pool.query<{ name: string }>(
      "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'run_ops.event'::regclass ORDER BY 1"
    );
    return rows.map((row) => row.name);
  }
});
