/**
 * The states of a deployment. `phase` is ours and fine, `status` is the wire's and coarse; they are written together, so
 * every phase names its status here and nowhere else.
 */

/** Phases in the order in which a deployment passes through them, then the ends. */
export const PHASES = [
  "queued",
  "awaiting_approval",
  "starting",
  "building",
  "deploying",
  "network",
  "finalizing",
  "ready",
  "stopped",
  "failed",
  "cancelled",
  "superseded",
  "skipped",
] as const;
export type Phase = (typeof PHASES)[number];

/** Statuses that the API and the CLI know. */
export type WireStatus = "PENDING" | "INSTALLING" | "BUILDING" | "DEPLOYING" | "DEPLOYED" | "FAILED" | "CANCELED" | "TIMED_OUT";

/** The six steps with a row of their own on the progress page. */
export const STEPS = ["queued", "starting", "building", "deploying", "network", "finalizing"] as const;
export type Step = (typeof STEPS)[number];

/** Status of each phase; a deployment that failed by a deadline has TIMED_OUT instead of FAILED. */
export const STATUS_OF_PHASE: Record<Phase, WireStatus> = {
  queued: "PENDING",
  awaiting_approval: "PENDING",
  starting: "INSTALLING",
  building: "BUILDING",
  deploying: "DEPLOYING",
  network: "DEPLOYING",
  finalizing: "DEPLOYING",
  ready: "DEPLOYED",
  stopped: "DEPLOYED",
  failed: "FAILED",
  cancelled: "CANCELED",
  superseded: "CANCELED",
  skipped: "CANCELED",
};

const TERMINAL: readonly Phase[] = ["ready", "stopped", "failed", "cancelled", "superseded", "skipped"];

/** Phases that the workflow never leaves (ready and stopped change into each other by lifecycle operations only). */
export const TERMINAL_PHASES: ReadonlySet<Phase> = new Set(TERMINAL);

/** Phases that are still on their way, for SQL predicates. */
export const ACTIVE_PHASES: readonly Phase[] = PHASES.filter((phase) => !TERMINAL_PHASES.has(phase));

/** True when the phase is an end. */
export function isTerminal(phase: Phase): boolean {
  return TERMINAL_PHASES.has(phase);
}

/** The step that is open in a phase, or null at the ends. */
export function stepOfPhase(phase: Phase): Step | null {
  return (STEPS as readonly string[]).includes(phase) ? (phase as Step) : null;
}

/** Milliseconds that a step may take before the deployment ends as TIMED_OUT. */
export const STEP_DEADLINES_MS: Record<Step, number> = {
  queued: 15 * 60_000,
  starting: 60_000,
  building: 20 * 60_000,
  deploying: 15 * 60_000,
  network: 60_000,
  finalizing: 60_000,
};
