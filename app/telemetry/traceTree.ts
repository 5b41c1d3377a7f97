/**
 * From stored events and runs to the lines of a trace: pure, so that every rule is a test without a database. A final
 * span beats its partial one; runs are their own spans; what an ended attempt left open is closed with it.
 */
import { unflattenAttributes } from "@trigger.dev/core/v3/utils/flattenAttributes";
import { isFinal, publicStatus, type RunStatus } from "../runops/runStates";
import type { RunHeader, Transition } from "../runops/runStore";
import { EVENT_KINDS, levelName, type SpanEvent, type SpanStyle, type TraceSpan, type TraceView } from "./types";

/** Lines of a tree; beyond, it is cut and says so. */
export const MAX_TRACE_SPANS = 25_000;
/** Deeper lines are shown beside their parent: nesting without end would overflow whatever walks the tree. */
const MAX_DEPTH = 200;
/** Lines that come with their attributes. */
export const MAX_DETAILED_SPANS = 10_000;

/** A row as `sql/read-trace.sql` returns it. */
export type StoredEvent = {
  id: string;
  parent_id: string | null;
  run_id: string;
  kind: number;
  level: number;
  is_error: boolean;
  attempt: number | null;
  start_ms: number;
  duration_ms: number;
  message: string;
  attrs: string | null;
  events: string | null;
};

/** What the tree needs of a run; both `RunDetail` and `RunListItem` have it. */
export type TraceRun = {
  header: Pick<RunHeader, "id" | "createdAt" | "task" | "queue" | "spanId" | "parentSpanId" | "parentId">;
  status: RunStatus;
  attempt: number;
  machine: string | null;
  versionId: string | null;
  completedAt: Date | null;
  /** Known for the run that the trace is of. */
  history?: Transition[];
};

export type TreeInput = {
  traceId: string;
  root: TraceRun;
  /** Every other run that may belong below; those that do not are left out. */
  others: readonly TraceRun[];
  events: readonly StoredEvent[];
  nowMs: number;
  /** True when the rows were already cut by the read. */
  cut: boolean;
};

/** The tree of `root` in reading order. */
export function buildTrace(input: TreeInput): Omit<TraceView, "unavailable"> {
  const runs = runsBelow(input.root, input.others);
  const lines = new Map<string, TraceSpan>();
  for (const run of runs.values()) lines.set(run.header.spanId, runLine(run, input.nowMs));
  const merged = mergePartials(input.events.filter((event) => runs.has(event.run_id) && !lines.has(event.id)));
  const attempts = attemptStarts(merged);
  for (const event of merged) {
    const run = runs.get(event.run_id);
    if (run) lines.set(event.id, eventLine(event, run, { nowMs: input.nowMs, attempts }));
  }
  linkParents(input.root, runs, lines);
  const ordered = readingOrder(input.root.header.spanId, lines);
  return { traceId: input.traceId, spans: ordered.slice(0, MAX_TRACE_SPANS), truncated: input.cut || ordered.length > MAX_TRACE_SPANS };
}

/** The root and every run whose parents lead to it. */
function runsBelow(root: TraceRun, others: readonly TraceRun[]): Map<string, TraceRun> {
  const below = new Map([[root.header.id, root]]);
  for (let found = true; found; ) {
    found = false;
    for (const run of others) {
      if (below.has(run.header.id) || !run.header.parentId || !below.has(run.header.parentId)) continue;
      below.set(run.header.id, run);
      found = true;
    }
  }
  return below;
}

function mergePartials(events: readonly StoredEvent[]): StoredEvent[] {
  const merged = new Map<string, StoredEvent>();
  for (const event of events) {
    const earlier = merged.get(event.id);
    if (!earlier || earlier.kind === EVENT_KINDS.partial) merged.set(event.id, event);
  }
  return [...merged.values()];
}

/** First start of each attempt, by run: where the attempt before it certainly had ended. */
function attemptStarts(events: readonly StoredEvent[]): Map<string, Map<number, number>> {
  const byRun = new Map<string, Map<number, number>>();
  for (const event of events) {
    if (event.attempt === null) continue;
    const starts = byRun.get(event.run_id) ?? new Map<number, number>();
    starts.set(event.attempt, Math.min(starts.get(event.attempt) ?? Number.POSITIVE_INFINITY, event.start_ms));
    byRun.set(event.run_id, starts);
  }
  return byRun;
}

const FAILED: ReadonlySet<RunStatus> = new Set(["COMPLETED_WITH_ERRORS", "CRASHED", "SYSTEM_FAILURE", "TIMED_OUT", "EXPIRED"]);

function runLine(run: TraceRun, nowMs: number): TraceSpan {
  const startMs = run.header.createdAt.getTime();
  const live = !isFinal(run.status);
  const isError = FAILED.has(run.status);
  return {
    id: run.header.spanId,
    parentId: run.header.parentSpanId,
    depth: 0,
    runId: run.header.id,
    attempt: null,
    message: run.header.task,
    startMs,
    durationMs: Math.max(0, (run.completedAt?.getTime() ?? nowMs) - startMs),
    level: "TRACE",
    kind: "run",
    isPartial: live,
    isError,
    isCancelled: run.status === "CANCELED",
    style: { icon: "task" },
    entity: { type: "run", id: run.header.id },
    attributes: {},
    output: undefined,
    events: [],
    run: {
      task: run.header.task,
      status: publicStatus(run.status),
      queue: run.header.queue,
      machine: run.machine,
      versionId: run.versionId,
    },
  };
}

type LineContext = { nowMs: number; attempts: Map<string, Map<number, number>> };

function eventLine(event: StoredEvent, run: TraceRun, context: LineContext): TraceSpan {
  const details = readDetails(event.attrs);
  const line: TraceSpan = {
    id: event.id,
    parentId: event.parent_id,
    depth: 0,
    runId: event.run_id,
    attempt: event.attempt,
    message: event.message,
    startMs: event.start_ms,
    durationMs: event.duration_ms,
    level: levelName(event.level),
    kind: event.kind === EVENT_KINDS.log ? "log" : "span",
    isPartial: event.kind === EVENT_KINDS.partial,
    isError: event.is_error,
    isCancelled: false,
    ...details,
    events: readEvents(event.events),
    run: null,
  };
  return line.isPartial ? settlePartial(line, run, context) : line;
}

/** A span that nothing will end any more takes the outcome of what ended it; one of a living attempt lasts until now. */
function settlePartial(line: TraceSpan, run: TraceRun, { nowMs, attempts }: LineContext): TraceSpan {
  const end = attemptEnd(run, line.attempt, attempts.get(line.runId));
  if (end === null) return { ...line, durationMs: Math.max(0, nowMs - line.startMs) };
  const failed = end.byRetry || FAILED.has(run.status);
  return { ...line, isPartial: false, isError: failed, isCancelled: !failed, durationMs: Math.max(0, end.atMs - line.startMs) };
}

type AttemptEnd = { atMs: number; byRetry: boolean };

/** When the attempt was over, or null while it lives. */
function attemptEnd(run: TraceRun, attempt: number | null, starts: Map<number, number> | undefined): AttemptEnd | null {
  const fromHistory = attempt === null ? undefined : historyEnd(run.history ?? [], attempt);
  if (attempt !== null && run.attempt > attempt) {
    const nextStart = fromHistory ?? starts?.get(attempt + 1) ?? run.completedAt?.getTime();
    if (nextStart !== undefined) return { atMs: nextStart, byRetry: true };
  }
  if (run.completedAt) return { atMs: run.completedAt.getTime(), byRetry: false };
  return fromHistory === undefined ? null : { atMs: fromHistory, byRetry: true };
}

/** The first transition after the attempt began that belongs to a later attempt, or that gave the run back to the queue. */
function historyEnd(history: readonly Transition[], attempt: number): number | undefined {
  const began = history.findIndex((entry) => entry.attempt === attempt && entry.state === "EXECUTING");
  if (began < 0) return undefined;
  const over = history
    .slice(began + 1)
    .find((entry) => entry.attempt > attempt || entry.state === "QUEUED" || entry.state === "RETRY_WAIT");
  return over?.at.getTime();
}

/** Every line gets a parent that is in the answer; a parent that never arrived is stood in for by the run. */
function linkParents(root: TraceRun, runs: ReadonlyMap<string, TraceRun>, lines: Map<string, TraceSpan>): void {
  for (const line of lines.values()) {
    if (line.id === root.header.spanId) line.parentId = null;
    else if (!line.parentId || line.parentId === line.id || !lines.has(line.parentId)) line.parentId = standIn(line, root, runs);
  }
  breakRings(root.header.spanId, lines);
}

function standIn(line: TraceSpan, root: TraceRun, runs: ReadonlyMap<string, TraceRun>): string {
  const run = runs.get(line.runId) ?? root;
  if (line.kind !== "run") return run.header.spanId;
  return runs.get(run.header.parentId ?? "")?.header.spanId ?? root.header.spanId;
}

/** Malformed links can form a ring, which would vanish from a walk that begins at the root. Every line is followed once. */
function breakRings(rootId: string, lines: ReadonlyMap<string, TraceSpan>): void {
  const settled = new Set<string>([rootId]);
  for (const start of lines.values()) {
    const path = new Set<string>();
    for (let line: TraceSpan | undefined = start; line && !settled.has(line.id); line = lines.get(line.parentId ?? "")) {
      if (path.has(line.id)) {
        line.parentId = rootId;
        break;
      }
      path.add(line.id);
    }
    for (const id of path) settled.add(id);
  }
}

function readingOrder(rootId: string, lines: ReadonlyMap<string, TraceSpan>): TraceSpan[] {
  const children = new Map<string, TraceSpan[]>();
  for (const line of lines.values()) {
    if (line.parentId === null) continue;
    const siblings = children.get(line.parentId);
    if (siblings) siblings.push(line);
    else children.set(line.parentId, [line]);
  }
  for (const siblings of children.values()) siblings.sort(latestFirst);
  const root = lines.get(rootId);
  const stack = root ? [root] : [];
  const ordered: TraceSpan[] = [];
  for (let line = stack.pop(); line; line = stack.pop()) {
    ordered.push(line);
    const deepest = line.depth >= MAX_DEPTH;
    for (const child of children.get(line.id) ?? []) {
      if (deepest) child.parentId = line.parentId;
      child.depth = deepest ? line.depth : line.depth + 1;
      stack.push(child);
    }
  }
  return ordered;
}

/** Reversed, because the walk takes from the end. */
function latestFirst(a: TraceSpan, b: TraceSpan): number {
  return b.startMs - a.startMs || (a.id < b.id ? 1 : -1);
}

type Details = Pick<TraceSpan, "attributes" | "style" | "entity" | "output">;

/** Attributes as the SDK flattened them, sorted into what they are for. Unreadable JSON (a cut row) reads as none. */
export function readDetails(json: string | null): Details {
  const flat = parseObject(json);
  if (!flat) return { attributes: {}, style: {}, entity: null, output: undefined };
  const internal: Record<string, unknown> = {};
  const visible: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(flat)) (key.startsWith("$") ? internal : visible)[key] = value;
  const hints = unflatten(internal);
  const entity = hints["$entity"];
  return {
    attributes: unflatten(visible),
    style: isObject(hints["$style"]) ? (hints["$style"] as SpanStyle) : {},
    entity:
      isObject(entity) && typeof entity.type === "string"
        ? { type: entity.type, id: typeof entity.id === "string" ? entity.id : null }
        : null,
    output: hints["$output"],
  };
}

/** Span events as stored. */
export function readEvents(json: string | null): SpanEvent[] {
  if (json === null) return [];
  try {
    const parsed: unknown = JSON.parse(json);
    return Array.isArray(parsed) ? (parsed as SpanEvent[]) : [];
  } catch {
    return [];
  }
}

function unflatten(flat: Record<string, unknown>): Record<string, unknown> {
  if (Object.keys(flat).length === 0) return {};
  const tree: unknown = unflattenAttributes(flat as Parameters<typeof unflattenAttributes>[0]);
  return isObject(tree) ? tree : { value: tree };
}

function parseObject(json: string | null): Record<string, unknown> | null {
  if (json === null) return null;
  try {
    const parsed: unknown = JSON.parse(json);
    return isObject(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
