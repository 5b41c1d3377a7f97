/** The family of a status, where an icon stands without its word. Pure. */
import type { LifecycleIcon, ShownStatus } from "../views";

const GRADES: Record<ShownStatus, LifecycleIcon> = {
  DELAYED: "idle",
  QUEUED: "idle",
  PENDING_VERSION: "hold",
  DEQUEUED: "run",
  EXECUTING: "run",
  RETRYING: "late",
  WAITING: "wait",
  COMPLETED: "ok",
  FAILED: "bad",
  CRASHED: "crash",
  SYSTEM_FAILURE: "crash",
  CANCELED: "canceled",
  EXPIRED: "hold",
  TIMED_OUT: "late",
};

/** How a run with this status stands. */
export function statusGrade(status: ShownStatus): LifecycleIcon {
  return GRADES[status];
}
