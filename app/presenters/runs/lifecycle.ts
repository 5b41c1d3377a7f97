/** The lifecycle list of the run page: one entry per thing that happened, oldest first. Pure. */
import type { FinalRunStatus } from "../../runops/runStates";
import { clockTime, formatDuration } from "../../utils/format";
import type { Attempt, Phase, PhaseKind } from "./runHistory";
import type { LifecycleEntry, LifecycleIcon, Words } from "../views";

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

type Told = { icon: LifecycleIcon; title: string; note: Words };
type Telling = { input: LifecycleInput; open: boolean; length: string };

/** What each kind of stretch reads like, while it lasts and after. */
const TELL: Record<Exclude<PhaseKind, "attempt">, (telling: Telling) => Told> = {
  delayed: (telling) => ({ icon: telling.open ? "idle" : "ok", title: "Delayed", note: [untilDue(telling)] }),
  version: ({ input, open, length }) => ({
    icon: open ? "hold" : "ok",
    title: "Waited for a version",
    note: [(open && input.reason) || length],
  }),
  queued: ({ input, open, length }) => ({ icon: open ? "idle" : "ok", title: "Queued", note: [`${length} in `, { code: input.queue }] }),
  handover: ({ input, open }) => ({
    icon: open ? "run" : "ok",
    title: "Handed to a worker",
    note: input.version ? ["Version ", { code: input.version }] : [],
  }),
  retry: (telling) => ({ icon: "late", title: "Retry delay", note: [untilDue(telling)] }),
  waiting: ({ open, length }) =>
    open ? { icon: "wait", title: "Waiting", note: [`${length} so far`] } : { icon: "ok", title: "Waited", note: [length] },
  cancelling: () => ({ icon: "canceled", title: "Cancel requested", note: ["The worker was told and has a minute to clean up"] }),
};

function entryOf(phase: Phase, input: LifecycleInput, before: Phase | undefined): LifecycleEntry[] {
  if (phase.kind === "attempt") {
    // After a wait the same attempt goes on: that is no new event.
    return before?.kind === "waiting" && before.attempt === phase.attempt ? [] : attemptEntry(phase, input);
  }
  const open = phase.to === null;
  const length = formatDuration((phase.to ?? input.nowMs) - phase.from, 2);
  return [{ ...TELL[phase.kind]({ input, open, length }), at: phase.from, open }];
}

function untilDue({ input, open, length }: Telling): string {
  const ahead = open && input.dueAt !== null && input.dueAt > input.nowMs;
  return ahead && input.dueAt !== null ? `until ${clockTime(input.dueAt, input.timeZone)}` : length;
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
