/** The six rows of the progress page: a pure function of the steps, the phase and the time. */
import { isTerminal, type Phase, type Step, STEPS } from "../phases";

export type StepRecord = { step: Step; startedAt: Date; endedAt: Date | null; error: string | null; errorSummary: string | null };

export type StepRowState = "pending" | "active" | "completed" | "error" | "skipped";
export type StepRow = {
  step: Step;
  state: StepRowState;
  startedAt: Date | null;
  /** Null where the row never ran, or was passed without a record of its own. */
  durationMs: number | null;
  errorSummary: string | null;
  /** Full text, shown on request. */
  error: string | null;
};

/** One row a step, in order. An open row of a deployment that has ended takes the end's state. */
export function stepRows(records: readonly StepRecord[], phase: Phase, now: Date): StepRow[] {
  const bySteps = new Map(records.map((record) => [record.step, record]));
  return STEPS.map((step, at) => {
    const record = bySteps.get(step);
    if (record) return recordedRow(record, phase, now);
    const laterRan = STEPS.slice(at + 1).some((later) => bySteps.has(later));
    return { ...EMPTY, step, state: laterRan ? "completed" : unstartedState(phase) };
  });
}

const EMPTY = { startedAt: null, durationMs: null, errorSummary: null, error: null };

function unstartedState(phase: Phase): StepRowState {
  if (phase === "ready" || phase === "stopped") return "completed";
  return isTerminal(phase) ? "skipped" : "pending";
}

function recordedRow(record: StepRecord, phase: Phase, now: Date): StepRow {
  const row = { step: record.step, startedAt: record.startedAt, errorSummary: record.errorSummary, error: record.error };
  const until = record.endedAt ?? now;
  const durationMs = Math.max(0, until.getTime() - record.startedAt.getTime());
  if (record.error !== null) return { ...row, state: "error", durationMs };
  if (record.endedAt !== null) return { ...row, state: "completed", durationMs };
  return { ...row, state: isTerminal(phase) ? openRowAtEnd(phase) : "active", durationMs };
}

function openRowAtEnd(phase: Phase): StepRowState {
  return phase === "ready" || phase === "stopped" ? "completed" : phase === "failed" ? "error" : "skipped";
}
