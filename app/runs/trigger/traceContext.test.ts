import { describe, expect, test } from "vitest";
import { resolveTrace } from "./traceContext";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const TRACEPARENT = `00-${TRACE}-${SPAN}-01`;
const NOBODY = { traceparent: null, tracestate: null, fromWorker: false, parentAsLink: false };

describe("the run's place in a trace", () => {
  test("inside a task it is a child of the calling span", () => {
    const trace = resolveTrace({ traceparent: TRACEPARENT, tracestate: "a=1", fromWorker: true, parentAsLink: false });
    expect(trace).toMatchObject({ traceId: TRACE, parentSpanId: SPAN, traceContext: { tracestate: "a=1" } });
    expect(trace.spanId).toMatch(/^[0-9a-f]{16}$/);
    expect(trace.spanId).not.toBe(SPAN);
  });

  test("fire-and-forget starts a trace that links back", () => {
    const trace = resolveTrace({ traceparent: TRACEPARENT, tracestate: null, fromWorker: true, parentAsLink: true });
    expect(trace.traceId).not.toBe(TRACE);
    expect(trace).toMatchObject({ parentSpanId: null, traceContext: { link: { traceId: TRACE, spanId: SPAN } } });
  });

  test("a traceparent from outside is kept beside a trace of our own", () => {
    const trace = resolveTrace({ traceparent: TRACEPARENT, tracestate: "a=1", fromWorker: false, parentAsLink: false });
    expect(trace.traceId).not.toBe(TRACE);
    expect(trace).toMatchObject({ parentSpanId: null, traceContext: { external: { traceparent: TRACEPARENT, tracestate: "a=1" } } });
  });

  test.each(["", "x", `01-${TRACE}-${SPAN}-01`, `00-${"0".repeat(32)}-${SPAN}-01`, `00-${TRACE.toUpperCase()}-${SPAN}-01`])(
    "a malformed traceparent %s counts as none",
    (traceparent) => {
      const trace = resolveTrace({ ...NOBODY, traceparent, fromWorker: true });
      expect(trace).toMatchObject({ parentSpanId: null, traceContext: null });
    }
  );

  test("ids never repeat across the blocks they are drawn from", () => {
    const seen = new Set<string>();
    for (let i = 0; i < 5_000; i++) {
      const { traceId, spanId } = resolveTrace(NOBODY);
      expect(traceId).toMatch(/^[0-9a-f]{32}$/);
      expect(spanId).toMatch(/^[0-9a-f]{16}$/);
      seen.add(traceId).add(spanId);
    }
    expect(seen.size).toBe(10_000);
  });
});
