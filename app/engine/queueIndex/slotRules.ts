/** Which execution states the index must know, and how long each may be silent. */
import type { ExecutionState } from "../../runops/runStates";

/** Milliseconds without a sign of life before a run counts as overdue. */
export type StallTimeouts = { pendingExecutingMs: number; executingMs: number };

/** A take must be committed or given back within this time; otherwise the run is offered again. */
export const CLAIM_LEASE_MS = 15_000;

/** True for states that count against the limits. A waiting run has given its slot back. */
export function holdsSlot(state: ExecutionState): boolean {
  return state === "PENDING_EXECUTING" || state === "EXECUTING";
}

/** True for states in which a process owes a heartbeat. (PENDING_CANCEL has a timer in the database instead.) */
export function hasDeadline(state: ExecutionState): boolean {
  return holdsSlot(state) || state === "EXECUTING_WITH_WAITPOINTS" || state === "QUEUED_EXECUTING";
}

/** The timeout that applies in a state; the claim lease where no process owes a heartbeat. */
export function stallTimeoutMs(state: ExecutionState, timeouts: StallTimeouts): number {
  if (state === "PENDING_EXECUTING") return timeouts.pendingExecutingMs;
  return hasDeadline(state) ? timeouts.executingMs : CLAIM_LEASE_MS;
}
