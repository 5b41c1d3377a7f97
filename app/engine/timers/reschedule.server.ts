/** Moves the start of a run that is still DELAYED. */
import type { Clock } from "../../platform/clock";
import type { LiveRun, RunStore } from "../../runops/runStore";
import { RetryableError } from "../../utils/appError";
import type { RescheduleOutcome, RunFeed } from "../types";

const MAX_TRIES = 10;

type RescheduleDeps = {
  store: Pick<RunStore, "getLive" | "getRuns" | "transition">;
  feed: RunFeed;
  clock: Clock;
  onTimer: (dueAt: Date) => void;
};

export class RescheduleService {
  constructor(private readonly deps: RescheduleDeps) {}

  /** A date in the past starts the run now. */
  async call(input: { envId: string; runId: string; startAt: Date }): Promise<RescheduleOutcome> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const live = (await this.deps.store.getLive([input.runId])).get(input.runId);
      if (!live || live.envId !== input.envId) return this.finished(input);
      if (live.state !== "DELAYED") return { kind: "not-delayed", status: live.status };
      if (await this.move(live, input.startAt)) return { kind: "rescheduled" };
    }
    throw new RetryableError("run_contended", "The run changes too quickly to be rescheduled. Try again.");
  }

  private async finished(input: { envId: string; runId: string }): Promise<RescheduleOutcome> {
    const run = (await this.deps.store.getRuns(input.envId, [input.runId])).get(input.runId);
    return run ? { kind: "not-delayed", status: run.status } : { kind: "not-found" };
  }

  private async move(live: LiveRun, startAt: Date): Promise<boolean> {
    const dueAt = new Date(Math.max(startAt.getTime(), this.deps.clock.now()));
    const outcome = await this.deps.store.transition({
      runId: live.id,
      epoch: null,
      seq: live.seq,
      from: ["DELAYED"],
      to: { state: "DELAYED", status: "DELAYED" },
      set: { dueAt },
      bumpSeq: true,
    });
    if (outcome.kind !== "changed") return false;
    const { envId, seq, state, status } = outcome.live;
    this.deps.feed.publish({ envId, runId: live.id, seq, state, status });
    this.deps.onTimer(dueAt);
    return true;
  }
}
