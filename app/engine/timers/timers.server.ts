/**
 * Fires the one timer of each run: delay over, time to live over, retry due, version deadline, cancel deadline, re-check.
 * One query every three seconds when idle; it looks as far ahead, so that everything due before the next query fires on time. Every
 * fire is a compare-and-set, so processes that fire the same timer do no harm.
 */
import type { Clock } from "../../platform/clock";
import { errorMessage, type Logger } from "../../platform/logger";
import { defineLoop, type Loop } from "../../platform/loop";
import type { DueRun, RunStore } from "../../runops/runStore";
import type { FireTimerService } from "./fireTimer.server";

const LOOK_AHEAD_MS = 3_000;
/** A timer set in the past of the watermark (a slow commit, another machine's clock) is still seen. */
const OVERLAP_MS = 10_000;
const PAGE = 1_000;

type TimerDeps = { store: Pick<RunStore, "dueRuns">; fire: FireTimerService; clock: Clock; log: Logger };

export class Timers {
  readonly loop: Loop;
  private watermarkMs = 0;
  private wakeAtMs = Number.POSITIVE_INFINITY;
  private alarm: NodeJS.Timeout | undefined;

  constructor(private readonly deps: TimerDeps) {
    this.loop = defineLoop({ name: "timers", everyMs: LOOK_AHEAD_MS, log: deps.log, run: () => this.pass() });
  }

  /** A timer was set by this process; one that is due before the next pass brings it forward. */
  set(dueAt: Date): void {
    const inMs = dueAt.getTime() - this.deps.clock.now();
    if (inMs >= LOOK_AHEAD_MS || dueAt.getTime() >= this.wakeAtMs) return;
    this.wakeAtMs = dueAt.getTime();
    clearTimeout(this.alarm);
    this.alarm = setTimeout(() => this.loop.nudge(), Math.max(inMs, 0));
  }

  async stop(): Promise<void> {
    clearTimeout(this.alarm);
    await this.loop.stop();
  }

  /** One pass; returns milliseconds until the next. */
  async pass(): Promise<number> {
    this.wakeAtMs = Number.POSITIVE_INFINITY;
    const startMs = this.deps.clock.now();
    let after = new Date(Math.max(this.watermarkMs - OVERLAP_MS, 0));
    for (;;) {
      const runs = await this.deps.store.dueRuns(after, new Date(startMs + LOOK_AHEAD_MS), PAGE);
      const due = runs.filter((run) => dueMs(run) <= this.deps.clock.now());
      const moved = await this.fireAll(due);
      const last = runs.at(-1);
      if (runs.length < PAGE || due.length < PAGE || !last) {
        this.watermarkMs = startMs;
        return this.sleepMs(runs.slice(due.length));
      }
      // Rows that share one instant may fill more than a page: those that moved are gone from it, so it is read again.
      after = new Date(moved > 0 ? dueMs(last) - 1 : dueMs(last));
    }
  }

  private sleepMs(upcoming: readonly DueRun[]): number {
    const next = upcoming[0];
    return next ? Math.min(Math.max(dueMs(next) - this.deps.clock.now(), 0), LOOK_AHEAD_MS) : LOOK_AHEAD_MS;
  }

  /** How many rows changed. A timer that fails is tried again by the next pass: the overlap still covers it. */
  private async fireAll(due: readonly DueRun[]): Promise<number> {
    const fired = await Promise.all(
      due.map((run) =>
        this.deps.fire.call(run).catch((error: unknown) => {
          this.deps.log.warn("timer.failed", { runId: run.id, state: run.state, message: errorMessage(error) });
          return false;
        })
      )
    );
    return fired.filter(Boolean).length;
  }
}

function dueMs(run: DueRun): number {
  return run.dueAt?.getTime() ?? 0;
}
