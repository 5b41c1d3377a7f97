import { describe, expect, it } from "vitest";
import { PHASES, STATUS_OF_PHASE, STEPS, type Phase, type Step } from "../../deployments/phases";
import type { StepRecord } from "../../deployments/rows/stepRows";
import { announcement, phaseViews, type PhaseFacts, type PhasesInput } from "./phases";
import { shownDeployment } from "./status";
import type { DeploymentLogLine } from "./views";

const NOW = Date.UTC(2026, 10, 21, 14, 0, 0);
const FACTS: PhaseFacts = {
  slot: null,
  targets: { regions: 2, replicas: 4 },
  build: { waits: false, tasks: 14, releaseBytes: 38_200_000 },
  health: { healthy: 1, regions: 2, required: 2 },
  regionNames: ["eu", "us"],
  promotion: { current: "20261121.2", will: true, why: null },
  finalized: null,
};

/** Steps up to and with `last`, each a second long; the last one open, ended, or with an error. */
function records(last: Step | null, end: "open" | "ended" | "error"): StepRecord[] {
  const upTo = last === null ? -1 : STEPS.indexOf(last);
  return STEPS.slice(0, upTo + 1).map((step, i) => {
    const startedAt = new Date(NOW - (upTo + 1 - i) * 1_000);
    const isLast = i === upTo;
    const failed = isLast && end === "error";
    return {
      step,
      startedAt,
      endedAt: isLast && end === "open" ? null : new Date(startedAt.getTime() + 1_000),
      error: failed ? "It broke\nat line 2" : null,
      errorSummary: failed ? "It broke" : null,
    };
  });
}

const input = (phase: Phase, steps: StepRecord[], facts: Partial<PhaseFacts> = {}): PhasesInput => ({
  ...{ phase, steps, nowMs: NOW, medians: new Map<Step, number>([["building", 18_000]]), logs: new Map() },
  facts: { ...FACTS, ...facts },
});
const states = (phase: Phase, steps: StepRecord[]) => phaseViews(input(phase, steps)).map((row) => row.state);
const [C, A, E, P, S] = ["completed", "active", "error", "pending", "skipped"] as const;

describe("the rows of a deployment", () => {
  it("follow the phase: done before, active, waiting after", () => {
    const active = STEPS.map((step) => states(step, records(step, "open")));
    expect(active).toEqual(STEPS.map((_, at) => STEPS.map((_step, i) => (i < at ? C : i === at ? A : P))));
  });

  it("of a failure before finalizing show finalizing as skipped, never as waiting", () => {
    for (const step of STEPS) {
      const at = STEPS.indexOf(step);
      expect(states("failed", records(step, "error"))).toEqual(STEPS.map((_, i) => (i < at ? C : i === at ? E : S)));
    }
  });

  it("say Skipped wherever an end came before a phase began", () => {
    for (const phase of ["failed", "cancelled", "superseded", "skipped"] as const) {
      const rows = phaseViews(input(phase, records("queued", phase === "skipped" ? "ended" : "error")));
      expect(rows.slice(1).map((row) => row.text)).toEqual([
        "Skipped",
        "Skipped",
        "Skipped. No instance was started",
        "Skipped",
        "Skipped",
      ]);
      expect(rows[0]?.interrupted).toBe(phase === "cancelled" || phase === "superseded");
    }
    expect(phaseViews(input("skipped", [])).map((row) => row.state)).toEqual([S, S, S, S, S, S]);
  });

  it("are done for a version that is ready, with or without records of their own", () => {
    for (const phase of ["ready", "stopped"] as const) expect(states(phase, records("finalizing", "ended"))).toEqual([C, C, C, C, C, C]);
    const rows = phaseViews(input("building", records("building", "open").slice(2)));
    expect([rows[0]?.state, rows[0]?.text, rows[0]?.durationMs]).toEqual([C, "Done", null]);
  });

  it("have words for every state of every phase", () => {
    for (const phase of PHASES) {
      for (const step of [...STEPS, null]) {
        for (const end of ["open", "ended", "error"] as const) {
          const rows = phaseViews(input(phase, records(step, end)));
          expect(rows.every((row) => row.text.trim() !== "")).toBe(true);
          expect(announcement(rows, phase, "20261121.3")).not.toBe("");
        }
      }
    }
  });

  it("say what they count", () => {
    const texts = phaseViews(input("deploying", records("deploying", "open"))).map((row) => row.text);
    expect(texts).toEqual([
      "Build slot granted",
      "2 regions, 4 replicas",
      "14 tasks indexed, release of 36.4 MB stored",
      "1 of 2 regions is healthy, 2 are required",
      "Waits for Deploying",
      "Will make this version current in place of 20261121.2",
    ]);
    const waiting = phaseViews(input("queued", records("queued", "open"), { slot: { position: 2, line: 3 } }));
    expect(waiting[0]?.text).toBe("Waits for a build slot, position 2 of 3");
    const ready = phaseViews(input("ready", records("finalizing", "ended"), { finalized: "Version 20261121.3 is ready and current." }));
    expect(ready[5]?.text).toBe("Version 20261121.3 is ready and current.");
  });

  it("tell the reader when a phase takes longer than usual", () => {
    const steps = records("building", "open").map((record) => ({ ...record, startedAt: new Date(NOW - 60_000) }));
    expect(phaseViews(input("building", steps))[2]?.text).toBe("Builds the release. Longer than usual");
    const line: DeploymentLogLine = { seq: 1, at: NOW, level: "info", text: "Indexing tasks." };
    const log = { ...{ step: "building" as const, total: 1, warnings: 0, errors: 0, firstSeq: 1 }, lines: [line] };
    const logs = new Map([["building" as const, log]]);
    expect(phaseViews({ ...input("building", steps), logs })[2]?.text).toBe("Indexing tasks. Longer than usual");
    log.lines.push({ ...line, text: '{"message":"Background worker created"}' }, { ...line, level: "debug", text: "Writing index.json" });
    expect(phaseViews({ ...input("building", steps), logs })[2]?.text).toBe("Indexing tasks. Longer than usual");
  });

  it("are announced by the one that matters", () => {
    const failed = phaseViews(input("failed", records("building", "error")));
    expect(announcement(failed, "failed", "20261121.3")).toBe("Building: It broke");
    expect(announcement(phaseViews(input("ready", records("finalizing", "ended"))), "ready", "20261121.3")).toBe(
      "Version 20261121.3 is ready"
    );
  });
});

describe("13: the badge", () => {
  /** What the rows alone would say; phases that are decided elsewhere come first. */
  function saidByRows(phase: Phase, steps: readonly StepRecord[]): string {
    if (["awaiting_approval", "cancelled", "superseded", "skipped", "stopped"].includes(phase)) return phase;
    if (steps.some((step) => step.error !== null)) return "failed";
    const open = steps.findLast((step) => step.endedAt === null);
    return open?.step ?? (steps.at(-1)?.step === "finalizing" ? "ready" : "nothing");
  }

  it("is what the rows say, in every state that the workflow writes", () => {
    const written: [Phase, StepRecord[]][] = [
      ...STEPS.map((step): [Phase, StepRecord[]] => [step, records(step, "open")]),
      ...STEPS.map((step): [Phase, StepRecord[]] => ["failed", records(step, "error")]),
      ["ready", records("finalizing", "ended")],
    ];
    for (const [phase, steps] of written) expect(shownDeployment(phase, STATUS_OF_PHASE[phase])).toBe(saidByRows(phase, steps));
  });

  it("says cancelled, superseded and stopped although a row has an error, and Timed out where a deadline ended it", () => {
    for (const phase of ["cancelled", "superseded", "stopped"] as const) {
      expect(shownDeployment(phase, STATUS_OF_PHASE[phase])).toBe(saidByRows(phase, records("building", "error")));
    }
    expect(shownDeployment("failed", "TIMED_OUT")).toBe("timed_out");
  });
});
