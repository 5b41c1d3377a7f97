/** What the API answers, held against the schemas that the SDK parses it with. */
import {
  RetrieveRunTracePageResponseBody,
  RetrieveRunTraceResponseBody,
  RetrieveSpanDetailResponseBody,
} from "@trigger.dev/core/v3/schemas";
import { describe, expect, it } from "vitest";
import { mintId } from "../utils/ids";
import { listItem, RUN_SPAN_ID, runFixture, TRACE_ID, type RunFixture } from "./testing";
import { eventsBody, spanBody, traceBody, tracePage } from "./traceApi";
import { buildTrace, type StoredEvent, type TraceRun } from "./traceTree";

const NOW = 1_795_000_000_000;
const RUN = mintId(NOW);

function stored(id: string, parentId: string | null, rest: Partial<StoredEvent> = {}): StoredEvent {
  return {
    id,
    parent_id: parentId,
    run_id: RUN,
    kind: 0,
    level: 0,
    is_error: false,
    attempt: 1,
    start_ms: NOW + 1,
    duration_ms: 1.5,
    message: id,
    attrs: null,
    events: null,
    ...rest,
  };
}

function traceRun(fixture: RunFixture = {}): TraceRun {
  const run = listItem(runFixture(NOW, { id: RUN, ...fixture }));
  return run;
}

function view(events: StoredEvent[], root: TraceRun = traceRun()) {
  return { ...buildTrace({ traceId: TRACE_ID, root, others: [], events, nowMs: NOW + 100, cut: false }), unavailable: false };
}

const id = (n: number) => n.toString(16).padStart(16, "0");

describe("trace bodies", () => {
  const tree = view([
    stored(id(1), RUN_SPAN_ID, { attrs: '{"$style.icon":"x","$entity.type":"waitpoint","a.b":1}' }),
    stored(id(2), id(1), { kind: 2, level: 5, is_error: true, attempt: null }),
    stored(id(3), id(1), { kind: 1 }),
  ]);

  it("nest, parse with the SDK's schema, and count nanoseconds", () => {
    const body = RetrieveRunTraceResponseBody.parse(JSON.parse(JSON.stringify(traceBody(tree))));
    expect(body.trace.rootSpan).toMatchObject({
      id: RUN_SPAN_ID,
      runId: `run_${RUN}`,
      data: { message: "hello", duration: 100_000_000, taskSlug: "hello", queueName: "task/hello" },
    });
    const [attempt] = body.trace.rootSpan.children;
    expect(attempt?.data).toMatchObject({ duration: 1_500_000, properties: { a: { b: 1 } } });
    expect(attempt?.children.map((child) => [child.id, child.data.level, child.data.isPartial])).toEqual([
      [id(2), "ERROR", false],
      [id(3), "TRACE", true],
    ]);
  });

  it("page flat, parse with the SDK's schema, and end", () => {
    const first = RetrieveRunTracePageResponseBody.parse(JSON.parse(JSON.stringify(tracePage(tree, 3, 0))));
    expect([first.data.length, first.pagination.next]).toEqual([3, "3"]);
    const last = RetrieveRunTracePageResponseBody.parse(JSON.parse(JSON.stringify(tracePage(tree, 3, 3))));
    expect([last.data.map((span) => span.id), last.pagination.next]).toEqual([[id(3)], undefined]);
  });

  it("give one span in full, and all as events", () => {
    const [, attempt] = tree.spans;
    if (!attempt) throw new Error("there is an attempt");
    expect(RetrieveSpanDetailResponseBody.parse(JSON.parse(JSON.stringify(spanBody(attempt))))).toMatchObject({
      spanId: id(1),
      parentId: RUN_SPAN_ID,
      durationMs: 1.5,
      entityType: "waitpoint",
    });
    expect(eventsBody(tree).events.map((event) => event.kind)).toEqual(["INTERNAL", "INTERNAL", "LOG", "INTERNAL"]);
  });
});

describe("odd trees", () => {
  it("hang lost spans and rings of spans below the run, and lose none", () => {
    const ring = [
      stored(id(1), id(2)),
      stored(id(2), id(1)),
      stored(id(3), id(2)),
      stored(id(4), id(4)),
      stored(id(5), "ffffffffffffffff"),
      stored(id(6), null),
    ];
    const { spans } = view(ring);
    expect(spans).toHaveLength(7);
    expect(new Set(spans.map((span) => span.id)).size).toBe(7);
    for (const span of spans.slice(1)) expect(spans.some((other) => other.id === span.parentId)).toBe(true);
  });

  it("survive attributes that are no JSON, and a span that calls itself the run", () => {
    const { spans } = view([stored(id(1), RUN_SPAN_ID, { attrs: '{"cut', events: "[" }), stored(RUN_SPAN_ID, null)]);
    expect(spans).toHaveLength(2);
    expect(spans[1]).toMatchObject({ attributes: {}, events: [] });
  });

  it("of 25,000 spans in one chain are flattened where they get too deep, and still nest into an answer", () => {
    const chain = Array.from({ length: 25_000 }, (_, n) => stored(id(n + 1), n === 0 ? RUN_SPAN_ID : id(n), { start_ms: NOW + n }));
    const deep = view(chain);
    expect([deep.spans.length, deep.truncated, deep.spans.at(-1)?.depth]).toEqual([25_000, true, 200]);
    expect(JSON.stringify(traceBody(deep))).toContain(id(24_999));
  });
});
