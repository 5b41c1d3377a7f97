/** Odd and hostile requests, and the queue's order of shedding: no database needed. */
import { describe, expect, it } from "vitest";
import { mintId } from "../utils/ids";
import { EventQueue } from "./eventQueue";
import { decodeRequest, ProtobufError } from "./otlp/protobuf";
import { readLogs, readTraces } from "./otlp/read";
import { cleanText } from "./text";
import { logsToEvents, spansToEvents } from "./toEvents";
import type { EventKind, EventRow } from "./types";

const NOW_MS = 1_795_000_000_000;
const RUN = mintId(NOW_MS);
const CONTEXT = { envId: "env", nowNs: BigInt(NOW_MS) * 1_000_000n, oldestNs: BigInt(NOW_MS - 86_400_000) * 1_000_000n };
const TRACE = "0af7651916cd43dd8448eb211c80319c";

const string = (key: string, stringValue: string) => ({ key, value: { stringValue } });
const OURS = { attributes: [{ key: "$trigger", value: { boolValue: true } }] };

function traces(span: Record<string, unknown>, extra: unknown[] = []) {
  const base = {
    traceId: TRACE,
    spanId: "00f067aa0ba902b7",
    name: "s",
    startTimeUnixNano: `${NOW_MS}000000`,
    endTimeUnixNano: `${NOW_MS + 2}000000`,
  };
  const attributes = [string("$metadata.ctx.run.id", `run_${RUN}`), ...extra];
  return readTraces({ resourceSpans: [{ resource: OURS, scopeSpans: [{ spans: [{ ...base, attributes, ...span }] }] }] });
}

const rowsOf = (span: Record<string, unknown>, extra: unknown[] = []) => spansToEvents(traces(span, extra), CONTEXT).rows;

describe("reading OTLP JSON", () => {
  it("takes ids as hex and base64, and nanoseconds as text and numbers", () => {
    const base64 = rowsOf({
      traceId: Buffer.from(TRACE, "hex").toString("base64"),
      spanId: Buffer.from("00f067aa0ba902b7", "hex").toString("base64"),
    });
    expect(base64).toMatchObject([{ traceId: TRACE, spanId: "00f067aa0ba902b7", startNs: `${NOW_MS}000000`, durationNs: "2000000" }]);
    expect(rowsOf({ traceId: TRACE.toUpperCase(), startTimeUnixNano: NOW_MS * 1e6 })).toMatchObject([{ traceId: TRACE }]);
  });

  it("leaves out spans without usable ids, and those older than the retention; pulls the future to now", () => {
    for (const span of [
      { traceId: "0".repeat(32) },
      { traceId: "xyz" },
      { spanId: 7 },
      { startTimeUnixNano: "1" },
      { startTimeUnixNano: null },
    ]) {
      expect(rowsOf(span)).toEqual([]);
    }
    expect(rowsOf({ startTimeUnixNano: "9000000000000000000" })).toMatchObject([{ startNs: `${NOW_MS}000000`, durationNs: "0" }]);
  });

  it("survives anything in place of anything", () => {
    for (const junk of [null, 1, "x", [], { resourceSpans: 1 }, { resourceSpans: [null, 1, { scopeSpans: [{ spans: [null, "x"] }] }] }]) {
      expect(spansToEvents(readTraces(junk), CONTEXT).rows).toEqual([]);
      expect(logsToEvents(readLogs(junk), CONTEXT).rows).toEqual([]);
    }
    expect(rowsOf({ attributes: "no", name: 4, events: {}, status: [] })).toEqual([]);
  });

  it("keeps __proto__ a key, drops internal attributes, and leaves one that is too large out", () => {
    const nested = { key: "map", value: { kvlistValue: { values: [string("__proto__", "p")] } } };
    const [row] = rowsOf({}, [
      string("__proto__", "a"),
      nested,
      string("ctx.secret", "x"),
      string("$metadata.worker.version", "1"),
      string("big", "x".repeat(140_000)),
      string("last", "z"),
    ]);
    expect(row?.attributes).toBe('{"__proto__":"a","map":{"__proto__":"p"},"last":"z"}');
  });

  it("removes NUL from names and values, and cuts a name at 4 KB", () => {
    const [row] = rowsOf({ name: `a\u0000${"b".repeat(5_000)}` }, [string("k\u0000", "v\u0000")]);
    expect(row?.message).toHaveLength(4_096);
    expect(row?.attributes).toBe('{"k":"v"}');
  });

  it("keeps the status message of a failed span that carries no exception", () => {
    const [row] = rowsOf({ status: { code: "STATUS_CODE_ERROR", message: "timed out" } });
    expect(JSON.parse(row?.events ?? "[]")).toMatchObject([{ name: "exception", properties: { exception: { message: "timed out" } } }]);
  });
});

describe("decoding protobuf", () => {
  it("skips unknown fields and refuses what is cut short or nested without end", () => {
    expect(decodeRequest("traces", new Uint8Array(0))).toEqual({});
    expect(decodeRequest("traces", Buffer.from([0x50, 0x01, 0x5d, 1, 2, 3, 4, 0x59, 1, 2, 3, 4, 5, 6, 7, 8, 0x62, 0x01, 0x00]))).toEqual(
      {}
    );
    for (const bad of [[0x0a], [0x0a, 0x05, 0x01], [0x0b], [0x50, ...Array.from({ length: 11 }, () => 0xff)]]) {
      expect(() => decodeRequest("traces", Buffer.from(bad))).toThrow(ProtobufError);
    }
    let value: Buffer = Buffer.alloc(0);
    for (let depth = 0; depth < 100; depth++) value = wrap(5, wrap(1, value));
    const body = wrap(1, wrap(1, wrap(1, wrap(2, value))));
    expect(() => decodeRequest("traces", body)).toThrow(ProtobufError);
  });

  function wrap(field: number, inner: Buffer): Buffer {
    const length = inner.length < 128 ? [inner.length] : [(inner.length % 128) | 0x80, inner.length >> 7];
    return Buffer.concat([Buffer.from([(field << 3) | 2, ...length]), inner]);
  }
});

describe("the queue", () => {
  const row = (kind: EventKind, spanId: string): EventRow => ({
    kind,
    spanId,
    traceId: TRACE,
    parentSpanId: null,
    runId: RUN,
    envId: "env",
    level: "LOG",
    isError: false,
    attempt: 1,
    startNs: "1",
    durationNs: "0",
    message: "m",
    attributes: null,
    events: null,
    bytes: 100,
  });

  it("sheds logs, then partials, then spans, and hands out in the opposite order", () => {
    const queue = new EventQueue(400);
    (["log", "partial", "log", "span"] as const).forEach((kind, index) => queue.push(row(kind, `first ${index}`)));
    queue.push(row("log", "refused"));
    expect(queue.dropped).toEqual({ log: 1, partial: 0, span: 0 });
    queue.push(row("span", "takes the place of the oldest log"));
    queue.push(row("partial", "takes the place of the other log"));
    queue.push(row("span", "takes the place of a partial"));
    queue.push(row("span", "takes the place of the other partial"));
    queue.push(row("span", "refused"));
    expect(queue.dropped).toEqual({ log: 3, partial: 2, span: 1 });
    expect(queue.bytes).toBe(400);
    expect(queue.take(3, 1_000).map((taken) => taken.kind)).toEqual(["span", "span", "span"]);
    expect([queue.size, queue.bytes]).toEqual([1, 100]);
  });

  it("keeps order and memory over many events", () => {
    const queue = new EventQueue(1_000_000);
    const taken: string[] = [];
    for (let n = 0; n < 5_000; n++) {
      queue.push(row("span", String(n)));
      if (n % 3 === 0) taken.push(...queue.take(2, 1_000).map((event) => event.spanId));
    }
    while (queue.size > 0) taken.push(...queue.take(100, 1_000_000).map((event) => event.spanId));
    expect(taken).toEqual(Array.from({ length: 5_000 }, (_, n) => String(n)));
  });
});

describe("cleanText", () => {
  it("never cuts a character in two and never leaves a lone surrogate", () => {
    expect(cleanText("\ud83d\ude00\ud83d\ude00", 5)).toBe("\ud83d\ude00");
    expect(cleanText("a\ud83d", 100)).toBe("a\ufffd");
  });
});
