/** When the one timer of a run fires next, and what it means then. */
import type { LiveRun, RunOptions } from "../../runops/runStore";

/**
 * A run that is queued again is looked at once more after this time, because the index is told after the commit and a
 * process may die in between (new runs are found by a scan instead).
 */
export const RECHECK_MS = 15_000;

/** Timer of a run that becomes queued at `nowMs`: the re-check, or its time to live when that ends sooner. */
export function dueWhenQueued(options: RunOptions, nowMs: number): Date {
  const ttlMs = options.ttlSeconds ? options.ttlSeconds * 1_000 : Number.POSITIVE_INFINITY;
  return new Date(nowMs + Math.min(RECHECK_MS, ttlMs));
}

/** The instant at which a queued run expires; null when it never does, or was started once. */
export function expiryOf(run: Pick<LiveRun, "startedAt" | "queuedAt"> & { options: RunOptions }): Date | null {
  if (run.startedAt || !run.options.ttlSeconds || !run.queuedAt) return null;
  return new Date(run.queuedAt.getTime() + run.options.ttlSeconds * 1_000);
}
