/** Shapes that presenters hand to components: plain data, times in epoch milliseconds, nothing left to decide. */
import type { ExecutionState, PublicRunStatus, RunStatus } from "../runops/runStates";

/** What pages call a run: the API's status, and Retrying while it is between attempts. */
export type ShownStatus = PublicRunStatus | "RETRYING";

/** A sentence with names in it: strings are prose, `code` is set in monospace and may link. */
export type Words = readonly (string | { code: string; href?: string })[];

/** What a stretch of time was spent on. */
export type Tone = "buffered" | "queue" | "run" | "wait" | "fail";

/** `to` is null while it lasts. */
export type Stretch = { tone: Tone; from: number; to: number | null };

export type Tag = string;

/** One line of the runs table. */
export type RunRow = {
  id: string;
  friendlyId: string;
  href: string;
  status: ShownStatus;
  final: boolean;
  task: string;
  /** What happened, or why it waits. */
  note: Words;
  queuedMs: number | null;
  ranMs: number | null;
  /** Which of the two durations still grow. */
  growing: "queue" | "run" | null;
  bar: { tone: Tone; ms: number }[];
  version: string | null;
  createdAt: number;
  tags: readonly Tag[];
};

/** Why a run does not move, for the panel at the top of its page. */
export type WaitReason = { title: string; text: Words; short: Words };

/** A packet as a page shows it. `stored`: kept outside the row, `text` is its address. */
export type DataView =
  | { kind: "none" }
  | { kind: "json" | "text"; text: string; bytes: number; cut: boolean }
  | { kind: "stored"; text: string };

export type ErrorView = { name: string; message: string; stack: string | null };

export type LifecycleIcon = "ok" | "bad" | "late" | "wait" | "run" | "idle" | "hold" | "crash" | "canceled";
export type LifecycleEntry = { icon: LifecycleIcon; title: string; note: Words; at: number | null; open: boolean };

export type TimelineBar = { tone: Tone; left: number; width: number; title: string };
export type TimelineRow = {
  id: string;
  depth: number;
  icon: LifecycleIcon | "log";
  name: string;
  note: string | null;
  bars: TimelineBar[];
  /** Percent from the left, for a log line; null for what has a length. */
  point: number | null;
  durationMs: number | null;
  /** True while it lasts: the page counts on. */
  open: boolean;
  strong: boolean;
  href: string | null;
};
export type TimelineTick = { left: number; label: { at: number } | { plus: string } };
export type TimelineFold = { left: number; width: number; label: string };
export type TimelineView = {
  folded: boolean;
  foldable: boolean;
  ticks: TimelineTick[];
  folds: TimelineFold[];
  rows: TimelineRow[];
  spans: number;
  logs: number;
};

export type SplitView = { parts: { tone: Tone; label: string; ms: number; open: boolean }[]; totalMs: number; open: boolean };

/** RETRY_WAIT and the pause between two attempts in one process read Retrying; everything else as the API says. */
export function shownStatus(publicName: PublicRunStatus, status: RunStatus, state: ExecutionState): ShownStatus {
  return status === "RETRYING_AFTER_FAILURE" || state === "RETRY_WAIT" ? "RETRYING" : publicName;
}

/** `more`: there are more than were counted. Null where the source did not answer. */
export type Counted = { count: number; more: boolean } | null;
export type FiguresView = { queued: number | null; running: number | null; limit: number; delayed: Counted; failedLastHour: Counted };

/** What the first start shows instead of an empty list. */
export type FirstRunView = {
  origin: string;
  envSlug: string;
  /** Null where no dev session belongs to the environment. */
  connected: boolean | null;
  version: string | null;
  tasks: string[];
  /** The environment's key: shown cut, copied in full. */
  secretKey: string;
  testHref: string;
  keysHref: string;
};

/** The run page. */
export type RunView = {
  id: string;
  friendlyId: string;
  task: string;
  status: ShownStatus;
  final: boolean;
  cancelable: boolean;
  asOf: number;
  createdAt: number;
  triggeredBy: string;
  version: { name: string; href: string } | null;
  queue: { name: string; href: string };
  region: string;
  machine: string | null;
  attempt: number;
  maxAttempts: number | null;
  wait: WaitReason | null;
  split: SplitView;
  timeline: TimelineView;
  lifecycle: LifecycleEntry[];
  payload: DataView;
  output: DataView;
  metadata: DataView;
  error: { title: string; view: ErrorView } | null;
  logs: LogLine[];
  logsCut: boolean;
  span: SpanView | null;
  facts: { name: string; value: Words }[];
  tags: string[];
};
export type LogLine = { id: string; at: number; level: string; kind: "plain" | "warn" | "error"; text: string };
export type SpanView = { id: string; name: string; attributes: DataView; errors: ErrorView[]; closeHref: string };
