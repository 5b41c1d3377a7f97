import { describe, expect, it } from "vitest";
import type { ExecutionState } from "../../runops/runStates";
import type { Transition } from "../../runops/runStore";
import { attemptsOf, phasesOf, stretchesOf } from "./runHistory";
import { splitOf } from "./split";

const T0 = 1_000_000;
const step = (afterMs: number, state: ExecutionState, attempt: number): Transition => ({
  seq: 0,
  state,
  at: new Date(T0 + afterMs),
  attempt,
});

const FAILED_TWICE = [
  step(0, "QUEUED", 0),
  step(100, "PENDING_EXECUTING", 0),
  step(150, "EXECUTING", 1),
  step(400, "EXECUTING", 1),
  step(700, "EXECUTING", 2),
  step(900, "RETRY_WAIT", 2),
  step(5_900, "PENDING_EXECUTING", 2),
  step(6_000, "EXECUTING", 3),
  step(6_500, "FINISHED", 3),
];

describe("phases of a run", () => {
  it("reads the second EXECUTING of an attempt as the pause before the next one", () => {
    const phases = phasesOf(FAILED_TWICE);
    expect(phases.map((phase) => phase.kind)).toEqual([
      "queued",
      "handover",
      "attempt",
      "retry",
      "attempt",
      "retry",
      "handover",
      "attempt",
    ]);
    expect(phases.at(-1)?.to).toBe(T0 + 6_500);
  });

  it("keeps the last phase open while the run lives", () => {
    expect(phasesOf(FAILED_TWICE.slice(0, 3)).at(-1)).toMatchObject({ kind: "attempt", to: null });
    expect(phasesOf([])).toEqual([]);
  });

  it("resumes the same attempt after a wait", () => {
    const waited = [step(0, "EXECUTING", 1), step(10, "EXECUTING_WITH_WAITPOINTS", 1), step(60, "EXECUTING", 1), step(70, "FINISHED", 1)];
    const phases = phasesOf(waited);
    expect(phases.map((phase) => phase.kind)).toEqual(["attempt", "waiting", "attempt"]);
    expect(attemptsOf(phases, "COMPLETED_SUCCESSFULLY")).toEqual([{ number: 1, from: T0, to: T0 + 70, outcome: "completed" }]);
  });
});

describe("attempts", () => {
  it("tells failed, completed and running attempts apart", () => {
    const outcomes = (final: Parameters<typeof attemptsOf>[1]) =>
      attemptsOf(phasesOf(FAILED_TWICE), final).map((attempt) => attempt.outcome);
    expect(outcomes("COMPLETED_SUCCESSFULLY")).toEqual(["failed", "failed", "completed"]);
    expect(outcomes("CRASHED")).toEqual(["failed", "failed", "failed"]);
    expect(attemptsOf(phasesOf(FAILED_TWICE.slice(0, 5)), null).map((attempt) => attempt.outcome)).toEqual(["failed", "running"]);
  });

  it("does not call a cancelled attempt failed", () => {
    const history = [step(0, "EXECUTING", 1), step(50, "PENDING_CANCEL", 1)];
    expect(attemptsOf(phasesOf(history), null)[0]?.outcome).toBe("canceled");
  });
});

describe("the split of a run's time", () => {
  it("sums queue, run, failed and wait time to the total", () => {
    const phases = phasesOf(FAILED_TWICE);
    const split = splitOf(stretchesOf(phases, attemptsOf(phases, "COMPLETED_SUCCESSFULLY")), T0, T0 + 6_500, T0 + 9_000);
    expect(split.parts.map((part) => [part.tone, part.ms])).toEqual([
      ["queue", 250],
      ["run", 500],
      ["fail", 450],
      ["wait", 5_300],
    ]);
    expect(split).toMatchObject({ totalMs: 6_500, open: false });
  });

  it("counts the open stretch up to now", () => {
    const split = splitOf([{ tone: "queue", from: T0, to: null }], T0, null, T0 + 1_500);
    expect(split.parts).toEqual([{ tone: "queue", label: "Queued", ms: 1_500, open: true }]);
  });
});
