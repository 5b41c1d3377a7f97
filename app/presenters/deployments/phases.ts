/** The six rows of a deployment's page: their sentences, pure functions of what is known of the phase. */
import { stepRows, type StepRecord, type StepRow } from "../../deployments/rows/stepRows";
import { isTerminal, STEPS, type Phase, type Step } from "../../deployments/phases";
import { formatBytes, plural } from "../../utils/format";
import { plainText } from "../../utils/ansi";
import { STEP_TITLES } from "../../utils/deploymentWords";
import { wasInterrupted } from "./status";
import type { LogView, PhaseView } from "./views";

export type PhasesInput = {
  phase: Phase;
  steps: readonly StepRecord[];
  nowMs: number;
  medians: ReadonlyMap<Step, number>;
  logs: ReadonlyMap<Step, LogView>;
  facts: PhaseFacts;
};

/** What the sentences count. Null where it is not known yet. */
export type PhaseFacts = {
  slot: { position: number; line: number } | null;
  targets: { regions: number; replicas: number } | null;
  build: { waits: boolean; tasks: number | null; releaseBytes: number | null };
  health: { healthy: number; regions: number; required: number } | null;
  regionNames: readonly string[];
  promotion: { current: string | null; will: boolean; why: string | null };
  /** Last line of the log: how it ended. */
  finalized: string | null;
};

const LONGEST = 160;

/** One row a phase, in order. */
export function phaseViews(input: PhasesInput): PhaseView[] {
  return stepRows(input.steps, input.phase, new Date(input.nowMs)).map((row) => ({
    step: row.step,
    title: STEP_TITLES[row.step],
    state: row.state,
    interrupted: row.state === "error" && wasInterrupted(input.phase),
    text: sentence(row, input),
    durationMs: row.durationMs,
    usuallyMs: input.medians.get(row.step) ?? null,
    log: input.logs.get(row.step) ?? null,
    error: row.error,
  }));
}

/** Spoken once for each change. */
export function announcement(phases: readonly PhaseView[], phase: Phase, version: string): string {
  if (phase === "ready") return `Version ${version} is ready`;
  const open = phases.find((row) => row.state === "error") ?? phases.find((row) => row.state === "active");
  if (open) return `${open.title}: ${open.text}`;
  return isTerminal(phase) ? `The deployment ended` : `The next phase of ${version} has not begun`;
}

function sentence(row: StepRow, input: PhasesInput): string {
  switch (row.state) {
    case "pending":
      return pendingText(row.step, input);
    case "active":
      return activeText(row, input);
    case "completed":
      return row.durationMs === null ? "Done" : doneText(row.step, input);
    case "error":
      return cut(row.errorSummary ?? "Ended without a reason");
    case "skipped":
      return row.step === "deploying" && row.startedAt === null ? "Skipped. No instance was started" : "Skipped";
  }
}

/** What tools tell each other in the log, as JSON; a sentence it is not. */
const MACHINE_LINE = /^\s*[[{]/;

function pendingText(step: Step, { facts }: PhasesInput): string {
  if (step === "finalizing") {
    const { current, will, why } = facts.promotion;
    if (!will) return why ?? "Will become ready, not current";
    return current ? `Will make this version current in place of ${current}` : "Will make this version current";
  }
  const before = STEPS[STEPS.indexOf(step) - 1];
  return before ? `Waits for ${STEP_TITLES[before]}` : "Waits to be queued";
}

function activeText({ step, durationMs }: StepRow, input: PhasesInput): string {
  const usually = input.medians.get(step);
  const late = usually !== undefined && durationMs !== null && durationMs > Math.max(2 * usually, usually + 5_000);
  const text = activeWords(step, input);
  return late ? `${text.replace(/\.$/, "")}. Longer than usual` : text;
}

function activeWords(step: Step, { facts, logs }: PhasesInput): string {
  const { slot, health } = facts;
  switch (step) {
    case "queued":
      return slot && slot.line > 0 ? `Waits for a build slot, position ${slot.position} of ${slot.line}` : "Waits for a build slot";
    case "starting":
      return "Checks regions and settings";
    case "building": {
      if (facts.build.waits) return "Waits for an agent that builds";
      const last = logs.get("building")?.lines.findLast((line) => line.level !== "debug" && !MACHINE_LINE.test(line.text));
      return last ? cut(plainText(last.text)) : "Builds the release";
    }
    case "deploying":
      return health ? healthText(health) : "Starts replicas in every region";
    case "network":
      return `Routes runs to ${regionList(facts.regionNames)}`;
    case "finalizing":
      return "Makes the version ready";
  }
}

function doneText(step: Step, { facts, logs }: PhasesInput): string {
  switch (step) {
    case "queued":
      return "Build slot granted";
    case "starting":
      return facts.targets
        ? `${plural(facts.targets.regions, "region")}, ${plural(facts.targets.replicas, "replica")}`
        : "Regions and settings fit";
    case "building":
      return builtText(facts, logs.get("building"));
    case "deploying":
      return facts.health && facts.health.healthy > 0
        ? `${facts.health.healthy} of ${plural(facts.health.regions, "region")} healthy`
        : "Was healthy in the regions it needs";
    case "network":
      return `Runs of this version go to ${regionList(facts.regionNames)}`;
    case "finalizing":
      return cut(facts.finalized || "Ready");
  }
}

function builtText({ build }: PhaseFacts, log: LogView | undefined): string {
  const parts = [
    build.tasks === null ? "Built" : `${plural(build.tasks, "task")} indexed`,
    build.releaseBytes === null ? "" : `release of ${formatBytes(build.releaseBytes)} stored`,
  ].filter(Boolean);
  const warnings = log && log.warnings > 0 ? `. ${plural(log.warnings, "warning")} in ${plural(log.total, "line")}` : "";
  return parts.join(", ") + warnings;
}

function healthText({ healthy, regions, required }: { healthy: number; regions: number; required: number }): string {
  const verb = required === 1 ? "is" : "are";
  return `${healthy} of ${plural(regions, "region")} ${regions === 1 || healthy === 1 ? "is" : "are"} healthy, ${required} ${verb} required`;
}

function regionList(names: readonly string[]): string {
  return names.length === 0 ? "its regions" : names.join(", ");
}

function cut(text: string): string {
  const line = plainText(text.split("\n")[0] ?? "");
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}
