/** The timeline of the run page: the run, its attempts, and the spans and logs below them, on one axis. Pure. */
import type { TraceSpan } from "../../telemetry/types";
import { barOf, buildAxis, hasFolds, placeOf, type Axis } from "./axis";
import type { Attempt, Phase } from "./runHistory";
import { statusGrade } from "./grades";
import type { LifecycleIcon, ShownStatus, Stretch, TimelineRow, TimelineView, Tone } from "../views";

export type TimelineInput = {
  task: string;
  status: ShownStatus;
  createdAt: number;
  /** Null while it lives. */
  endedAt: number | null;
  nowMs: number;
  stretches: readonly Stretch[];
  phases: readonly Phase[];
  attempts: readonly Attempt[];
  /** In reading order, the run itself first; empty when telemetry does not answer. */
  spans: readonly TraceSpan[];
  fold: boolean;
  /** Address of a line's details. */
  hrefOf: (spanId: string) => string;
};

/** Lines beyond it are left out: a page of thousands of bars helps nobody and takes seconds to draw. */
const MOST_ROWS = 500;
const ATTEMPT_SPAN = /^Attempt \d+$/;

type Placed = { axis: Axis; nowMs: number; hrefOf: (spanId: string) => string };

/** Rows in reading order with their bars placed, and the axis above them. */
export function timelineOf(input: TimelineInput): TimelineView {
  const end = Math.max(input.endedAt ?? input.nowMs, input.createdAt + 1);
  const span = { from: input.createdAt, to: end };
  const busy = input.stretches.filter((s) => s.tone === "run" || s.tone === "fail").map((s) => ({ from: s.from, to: s.to ?? end }));
  const axis = buildAxis(span, busy, input.fold);
  const placed: Placed = { axis, nowMs: input.nowMs, hrefOf: input.hrefOf };
  const below = input.spans.slice(1);
  const rows = [runRow(input, axis, end), ...attemptRows(input, placed, below)];
  return {
    folded: input.fold,
    foldable: hasFolds(span, busy),
    ticks: axis.ticks,
    folds: axis.folds,
    rows: rows.slice(0, MOST_ROWS),
    spans: below.filter((line) => line.kind !== "log").length,
    logs: below.filter((line) => line.kind === "log").length,
  };
}

const TONE_NAMES = { buffered: "Buffered", queue: "Queued", run: "Executing", wait: "Waiting", fail: "Failed" } as const;

function runRow(input: TimelineInput, axis: Axis, end: number): TimelineRow {
  return {
    id: "run",
    depth: 0,
    icon: statusGrade(input.status),
    name: input.task,
    note: null,
    bars: input.stretches.map((stretch) => barOf(axis, stretch, TONE_NAMES[stretch.tone])),
    point: null,
    durationMs: end - input.createdAt,
    open: input.endedAt === null,
    strong: true,
    href: null,
  };
}

/** Attempts come from the run's own history, because telemetry may be shed; its spans hang below the attempt they name. */
function attemptRows(input: TimelineInput, placed: Placed, lines: readonly TraceSpan[]): TimelineRow[] {
  const groups = groupByAttempt(lines);
  const rows: TimelineRow[] = [];
  for (const attempt of input.attempts) {
    rows.push(attemptRow(attempt, input, placed));
    rows.push(...(groups.get(attempt.number) ?? []).map((line) => lineRow(line, placed, 1)));
    const pause = input.phases.find((phase) => phase.kind === "retry" && phase.attempt === attempt.number);
    if (pause) rows.push(pauseRow(pause, placed));
    groups.delete(attempt.number);
  }
  for (const rest of groups.values()) rows.push(...rest.map((line) => lineRow(line, placed, 0)));
  return rows;
}

/** The top line of each subtree decides for all of it; attempt spans themselves are replaced by the run's own. */
function groupByAttempt(lines: readonly TraceSpan[]): Map<number, TraceSpan[]> {
  const groups = new Map<number, TraceSpan[]>();
  let current = 0;
  let shift = 0;
  for (const line of lines) {
    if (line.depth <= 1) {
      current = line.attempt ?? 0;
      shift = ATTEMPT_SPAN.test(line.message) ? 1 : 0;
      if (shift === 1) continue;
    }
    const group = groups.get(current) ?? [];
    group.push({ ...line, depth: line.depth - shift });
    groups.set(current, group);
  }
  return groups;
}

const ATTEMPT_ICONS: Record<Attempt["outcome"], LifecycleIcon> = { running: "run", completed: "ok", failed: "bad", canceled: "canceled" };

function attemptRow(attempt: Attempt, input: TimelineInput, { axis, nowMs }: Placed): TimelineRow {
  const to = attempt.to ?? nowMs;
  const inside = input.stretches.filter((stretch) => stretch.from >= attempt.from && stretch.from < to && stretch.tone !== "queue");
  return {
    id: `attempt-${attempt.number}`,
    depth: 1,
    icon: attempt.outcome === "running" && input.status === "WAITING" ? "wait" : ATTEMPT_ICONS[attempt.outcome],
    name: `Attempt ${attempt.number}`,
    note: null,
    bars: inside.map((stretch) => barOf(axis, { ...stretch, to: Math.min(stretch.to ?? to, to) }, TONE_NAMES[stretch.tone])),
    point: null,
    durationMs: to - attempt.from,
    open: attempt.to === null,
    strong: false,
    href: null,
  };
}

function pauseRow(pause: Phase, { axis, nowMs }: Placed): TimelineRow {
  return {
    id: `pause-${pause.attempt}`,
    depth: 1,
    icon: "late",
    name: "Retry delay",
    note: null,
    bars: [barOf(axis, { tone: "wait", from: pause.from, to: pause.to }, "Retry delay")],
    point: null,
    durationMs: (pause.to ?? nowMs) - pause.from,
    open: pause.to === null,
    strong: false,
    href: null,
  };
}

function lineRow(line: TraceSpan, { axis, hrefOf }: Placed, indent: number): TimelineRow {
  const isLog = line.kind === "log";
  const stretch: Stretch = { tone: toneOf(line), from: line.startMs, to: line.startMs + line.durationMs };
  return {
    id: line.id,
    depth: Math.min(8, Math.max(1, line.depth) + indent),
    icon: isLog ? logIcon(line) : spanIcon(line),
    name: line.message,
    note: line.kind === "run" ? "child run" : null,
    bars: isLog ? [] : [barOf(axis, stretch, line.message)],
    point: isLog ? Math.round(placeOf(axis, line.startMs) * 100) / 100 : null,
    durationMs: isLog ? null : line.durationMs,
    open: line.isPartial,
    strong: false,
    href: hrefOf(line.id),
  };
}

/** Waits are hatched like the run's own; the SDK names them `wait.for()` and so on. */
function toneOf(line: TraceSpan): Tone {
  if (line.isError) return "fail";
  return line.entity?.type === "waitpoint" || line.message.startsWith("wait.") ? "wait" : "run";
}

function logIcon(line: TraceSpan): TimelineRow["icon"] {
  if (line.level === "ERROR") return "bad";
  return line.level === "WARN" ? "late" : "log";
}

function spanIcon(line: TraceSpan): LifecycleIcon {
  if (line.isError) return "bad";
  if (line.isCancelled) return "canceled";
  return line.isPartial ? "run" : "ok";
}
