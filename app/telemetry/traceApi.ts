/** The trace as the public API answers it. Durations are nanoseconds, except where the name says milliseconds. */
import { friendlyId } from "../utils/ids";
import type { TraceSpan, TraceView } from "./types";

const NS_PER_MS = 1_000_000;

type TraceNode = { id: string; parentId?: string; runId: string; data: Record<string, unknown>; children: TraceNode[] };

/** `{trace: {traceId, rootSpan}}` with nested children. */
export function traceBody(view: TraceView): { trace: { traceId: string; rootSpan: TraceNode | undefined }; truncated?: true } {
  const nodes = new Map<string, TraceNode>();
  const runs = new Map(view.spans.filter((span) => span.run).map((span) => [span.runId, span.run]));
  for (const span of view.spans) {
    const node: TraceNode = {
      id: span.id,
      parentId: span.parentId ?? undefined,
      runId: friendlyId("run", span.runId),
      data: nodeData(span, runs.get(span.runId)),
      children: [],
    };
    nodes.set(span.id, node);
    if (span.parentId) nodes.get(span.parentId)?.children.push(node);
  }
  const rootSpan = nodes.get(view.spans[0]?.id ?? "");
  return { trace: { traceId: view.traceId, rootSpan }, ...(view.truncated ? { truncated: true as const } : {}) };
}

/** One page of the flat form: `{data, attemptFailures, pagination}`. The cursor is the position of the next line. */
export function tracePage(view: TraceView, size: number, after: number) {
  const slice = view.spans.slice(after, after + size);
  const next = after + size < view.spans.length ? String(after + size) : undefined;
  return {
    data: slice.map((span) => ({
      id: span.id,
      parentId: span.parentId ?? undefined,
      ...common(span),
      duration: nanoseconds(span),
      attemptNumber: span.attempt ?? undefined,
    })),
    // Spans that an ended attempt left open are already closed here, so there is nothing for the client to derive.
    attemptFailures: [],
    pagination: { next, ...(view.truncated && next === undefined ? { truncated: true } : {}) },
  };
}

/** `{events}`: every line with its style and span events. */
export function eventsBody(view: TraceView) {
  return {
    events: view.spans.map((span) => ({
      spanId: span.id,
      parentId: span.parentId,
      ...common(span),
      duration: nanoseconds(span),
      style: span.style,
      kind: span.kind === "log" ? "LOG" : "INTERNAL",
      attemptNumber: span.attempt,
      taskSlug: span.run?.task,
      properties: span.attributes,
      events: span.events,
    })),
    ...(view.truncated ? { truncated: true } : {}),
  };
}

/** One span in full. */
export function spanBody(span: TraceSpan) {
  return {
    spanId: span.id,
    parentId: span.parentId,
    ...common(span),
    durationMs: span.durationMs,
    properties: span.attributes,
    events: span.events,
    entityType: span.entity?.type,
  };
}

function nodeData(span: TraceSpan, run: TraceSpan["run"] | undefined): Record<string, unknown> {
  return {
    ...state(span),
    duration: nanoseconds(span),
    taskSlug: run?.task,
    queueName: run?.queue,
    machinePreset: run?.machine ?? undefined,
    properties: span.attributes,
    events: span.events,
    output: span.output,
  };
}

function common(span: TraceSpan) {
  return { runId: friendlyId("run", span.runId), ...state(span) };
}

function state(span: TraceSpan) {
  return {
    message: span.message,
    startTime: new Date(span.startMs).toISOString(),
    isError: span.isError,
    isPartial: span.isPartial,
    isCancelled: span.isCancelled,
    level: span.level,
  };
}

function nanoseconds(span: TraceSpan): number {
  return Math.round(span.durationMs * NS_PER_MS);
}
