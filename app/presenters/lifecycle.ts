/** The lifecycle list of the run page: one entry per thing that happened, oldest first. Pure. */
import type { FinalRunStatus } from "../runops/runStates";
import { clockTime, formatDuration } from "../utils/format";
import type { Attempt, Phase } from "./runHistory";
import type { LifecycleEntry, LifecycleIcon, Words } from "./views";

export type LifecycleInput = {
  phases: readonly Phase[];
  attempts: readonly Attempt[];
  final: { status: FinalRunStatus; at: number; note: string | null } | null;
  queue: string;
  version: string | null;
  reason: string | null;
  dueAt: number | null;
  /** One line of the error that ended an attempt, by its number. */
  attemptErrors: ReadonlyMap<number, string>;
  nowMs: number;
  timeZone: string;
};

const FINAL_WORDS: Record<FinalRunStatus, { title: string; icon: LifecycleIcon }> = {
  COMPLETED_SUCCESSFULLY: { title: "Completed", icon: "ok" },
  COMPLETED_WITH_ERRORS: { title: "Failed", icon: "bad" },
  CANCELED: { title: "Canceled", icon: "canceled" },
  CRASHED: { title: "Crashed", icon: "crash" },
  SYSTEM_FAILURE: { title: "System failure", icon: "crash" },
  EXPIRED: { title: "Expired", icon: "hold" },
  TIMED_OUT: { title: "Timed out", icon: "late" },
};

/** Entries of a run; a live one ends with what is still to come. */
export function lifecycleOf(input: LifecycleInput): LifecycleEntry[] {
  const entries = input.phases.flatMap((phase, i) => entryOf(phase, input, input.phases[i - 1]));
  if (!input.final) return [...entries, { icon: "idle", title: "Completes or fails", note: [], at: null, open: false }];
  const { title, icon } = FINAL_WORDS[input.final.status];
  return [...entries, { icon, title, note: input.final.note ? [input.final.note] : [], at: input.final.at, open: false }];
}

function entryOf(phase: Phase, input: LifecycleInput, before: Phase | undefined): LifecycleEntry[] {
  const open = phase.to === null;
  const length = formatDuration((phase.to ?? input.nowMs) - phase.from, 2);
  const entry = (icon: LifecycleIcon, title: string, note: Words): LifecycleEntry[] => [{ icon, title, note, at: phase.from, open }];
  switch (phase.kind) {
    case "delayed":
      return entry(open ? "idle" : "ok", "Delayed", [open && input.dueAt ? `until ${clockTime(input.dueAt, input.timeZone)}` : length]);
    case "version":
      return entry(open ? "hold" : "ok", "Waited for a version", [open && input.reason ? input.reason : length]);
    case "queued":
      return entry(open ? "idle" : "ok", "Queued", [`${length} in `, { code: input.queue }]);
    case "handover":
      return entry(open ? "run" : "ok", "Handed to a worker", input.version ? ["Version ", { code: input.version }] : []);
    case "retry":
      return entry("late", "Retry delay", [
        open && input.dueAt && input.dueAt > input.nowMs ? `until ${clockTime(input.dueAt, input.timeZone)}` : length,
      ]);
    case "waiting":
      return entry(open ? "wait" : "ok", open ? "Waiting" : "Waited", [open ? `${length} so far` : length]);
    case "cancelling":
      return entry("canceled", "Cancel requested", ["The worker was told and has a minute to clean up"]);
    case "attempt":
      return before?.kind === "waiting" && before.attempt === phase.attempt ? [] : attemptEntry(phase, input);
  }
}

function attemptEntry(phase: Phase, input: LifecycleInput): LifecycleEntry[] {
  const attempt = input.attempts.find((candidate) => candidate.number === phase.attempt);
  const length = attempt ? formatDuration((attempt.to ?? input.nowMs) - attempt.from, 2) : "";
  const name = `Attempt ${phase.attempt}`;
  if (!attempt || attempt.outcome === "running") {
    return [{ icon: "run", title: `${name} started`, note: [`${length} so far`], at: phase.from, open: true }];
  }
  if (attempt.outcome !== "failed") {
    return [{ icon: "ok", title: `${name} started`, note: [length], at: phase.from, open: false }];
  }
  const error = input.attemptErrors.get(attempt.number);
  return [{ icon: "bad", title: `${name} failed`, note: [error ? `${length}, ${error}` : length], at: phase.from, open: false }];
}
