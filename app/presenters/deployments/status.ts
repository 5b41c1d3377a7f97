/** What pages call deployments and their phases. Pure. */
import type { Phase, Step, WireStatus } from "../../deployments/phases";
import type { ShownDeployment } from "./views";

/** Words of the statuses in the order of a deployment's life, as filters offer them. */
export const DEPLOYMENT_WORDS: Record<ShownDeployment, string> = {
  queued: "Queued",
  awaiting_approval: "Awaiting approval",
  starting: "Starting",
  building: "Building",
  deploying: "Deploying",
  network: "Routing",
  finalizing: "Finalizing",
  ready: "Ready",
  stopped: "Stopped",
  failed: "Failed",
  timed_out: "Timed out",
  cancelled: "Canceled",
  superseded: "Superseded",
  skipped: "Skipped",
};

export const STEP_TITLES: Record<Step, string> = {
  queued: "Queued",
  starting: "Starting",
  building: "Building",
  deploying: "Deploying",
  network: "Routing",
  finalizing: "Finalizing",
};

/** A deployment that failed by a deadline reads Timed out; everything else as its phase says. */
export function shownDeployment(phase: Phase, status: WireStatus): ShownDeployment {
  return status === "TIMED_OUT" ? "timed_out" : phase;
}

/** Ended without becoming ready, and not by a fault. */
export function wasInterrupted(phase: Phase): boolean {
  return phase === "cancelled" || phase === "superseded" || phase === "skipped";
}
