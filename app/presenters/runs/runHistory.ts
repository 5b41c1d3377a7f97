/** What a run's transitions mean: how its time was spent, and its attempts. Pure. */
import type { ExecutionState, FinalRunStatus } from "../../runops/runStates";
import type { Transition } from "../../runops/runStore";
import type { Stretch, Tone } from "../views";

export type Attempt = {
  number: number;
  from: number;
  /** Null while it runs. */
  to: number | null;
  outcome: "running" | "completed" | "failed" | "canceled";
};

/** Why a stretch passed; `handover` is handed out but not started. */
export type PhaseKind = "delayed" | "version" | "queued" | "handover" | "attempt" | "retry" | "waiting" | "cancelling";
export type Phase = { kind: PhaseKind; from: number; to: number | null; attempt: number };

const KINDS: Record<Exclude<ExecutionState, "FINISHED">, PhaseKind> = {
  DELAYED: "delayed",
  RUN_CREATED: "version",
  QUEUED: "queued",
  QUEUED_EXECUTING: "queued",
  PENDING_EXECUTING: "handover",
  EXECUTING: "attempt",
  EXECUTING_WITH_WAITPOINTS: "waiting",
  RETRY_WAIT: "retry",
  PENDING_CANCEL: "cancelling",
};
const TONES: Record<PhaseKind, Tone> = {
  delayed: "wait",
  version: "queue",
  queued: "queue",
  handover: "queue",
  attempt: "run",
  retry: "wait",
  waiting: "wait",
  cancelling: "run",
};

/** Consecutive stretches of a run, oldest first; the last one is open (`to` null) unless the run has finished. */
export function phasesOf(history: readonly Transition[]): Phase[] {
  const phases: Phase[] = [];
  history.forEach((step, i) => {
    const at = step.at.getTime();
    const last = phases.at(-1);
    if (last && last.to === null) last.to = at;
    if (step.state === "FINISHED") return;
    const kind = isPauseBetweenAttempts(step, history[i - 1]) ? "retry" : KINDS[step.state];
    if (last && last.kind === kind && last.attempt === step.attempt) last.to = null;
    else phases.push({ kind, from: at, to: null, attempt: step.attempt });
  });
  return phases;
}

/** A worker that retries in its own process stays EXECUTING: the second EXECUTING of one attempt is its end. */
function isPauseBetweenAttempts(step: Transition, before: Transition | undefined): boolean {
  return step.state === "EXECUTING" && before?.state === "EXECUTING" && before.attempt === step.attempt && step.attempt > 0;
}

/** Attempts of a run, with how each ended. `final`: the run's final status, or null while it lives. */
export function attemptsOf(phases: readonly Phase[], final: FinalRunStatus | null): Attempt[] {
  const attempts: Attempt[] = [];
  for (const phase of phases) {
    const current = attempts.at(-1);
    if (phase.kind === "attempt" && current?.number !== phase.attempt) {
      attempts.push({ number: phase.attempt, from: phase.from, to: phase.to, outcome: "running" });
    } else if (current && current.number === phase.attempt && (phase.kind === "attempt" || phase.kind === "waiting")) {
      current.to = phase.to;
    }
  }
  attempts.forEach((attempt, i) => {
    if (attempt.to === null) return;
    attempt.outcome = i < attempts.length - 1 || final === null ? endedEarlier(attempt, phases) : finalOutcome(final);
  });
  return attempts;
}

function endedEarlier(attempt: Attempt, phases: readonly Phase[]): Attempt["outcome"] {
  const after = phases.find((phase) => phase.from >= (attempt.to ?? attempt.from) && phase.kind !== "attempt");
  return after?.kind === "cancelling" ? "canceled" : "failed";
}

function finalOutcome(final: FinalRunStatus): Attempt["outcome"] {
  if (final === "COMPLETED_SUCCESSFULLY") return "completed";
  return final === "CANCELED" ? "canceled" : "failed";
}

/** How the run's time was spent, oldest first: failed attempts are red, neighbours of one tone are one stretch. */
export function stretchesOf(phases: readonly Phase[], attempts: readonly Attempt[]): Stretch[] {
  const failed = new Set(attempts.filter((attempt) => attempt.outcome === "failed").map((attempt) => attempt.number));
  const out: Stretch[] = [];
  for (const phase of phases) {
    const tone = phase.kind === "attempt" && failed.has(phase.attempt) ? "fail" : TONES[phase.kind];
    const last = out.at(-1);
    if (last && last.tone === tone && last.to === phase.from) last.to = phase.to;
    else out.push({ tone, from: phase.from, to: phase.to });
  }
  return out;
}
