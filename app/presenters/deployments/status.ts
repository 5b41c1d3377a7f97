/** How a deployment's phase reads. Pure. */
import type { Phase, WireStatus } from "../../deployments/phases";
import type { ShownDeployment } from "./views";

/** A deployment that failed by a deadline reads Timed out; everything else as its phase says. */
export function shownDeployment(phase: Phase, status: WireStatus): ShownDeployment {
  return status === "TIMED_OUT" ? "timed_out" : phase;
}

/** Ended without becoming ready, and not by a fault. */
export function wasInterrupted(phase: Phase): boolean {
  return phase === "cancelled" || phase === "superseded" || phase === "skipped";
}
