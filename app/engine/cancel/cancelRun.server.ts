/**
 * Cancels a run in whatever state it is. A run that no process works on ends at once; a running one is CANCELED for every
 * reader at once, while its worker gets a minute for its `onCancel` hooks. Its children follow.
 */
import type { EnvironmentDirectory } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import type { LiveRun, RunStore } from "../../runops/runStore";
import { RetryableError } from "../../utils/appError";
import type { EpochGuard } from "../queueIndex/epochGuard.server";
import { IN_ATTEMPT } from "../attempts/failedAttempts.server";
import type { IndexWriter } from "../queueIndex/indexWriter.server";
import { serverEnd, type RunEnds } from "../attempts/runEnds.server";
import type { CancelInput, CancelOutcome, RunFeed } from "../types";
import { storedError } from "../workers/wireErrors";

const MAX_TRIES = 20;
const DEFAULT_REASON = "The run was cancelled.";

type CancelDeps = {
  store: Pick<RunStore, "getLive" | "getRuns" | "transition">;
  ends: RunEnds;
  epochs: EpochGuard;
  index: IndexWriter;
  directory: Pick<EnvironmentDirectory, "byId">;
  feed: RunFeed;
  clock: Clock;
  /** Milliseconds that a worker has for its hooks. */
  timeoutMs: number;
  onTimer: (dueAt: Date) => void;
  onCanceled: (envId: string, runId: string) => void;
};

export class CancelRunService {
  constructor(private readonly deps: CancelDeps) {}

  /** Never changes a final run. Throws RetryableError when the run keeps moving away. */
  async call(input: CancelInput): Promise<CancelOutcome> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const live = (await this.deps.store.getLive([input.runId])).get(input.runId);
      if (!live || live.envId !== input.envId) return this.finished(input);
      const outcome = await this.cancel(live, input);
      if (outcome) return outcome;
    }
    throw new RetryableError("run_contended", "The run changes too quickly to be cancelled. Try again.");
  }

  private async finished(input: CancelInput): Promise<CancelOutcome> {
    const run = (await this.deps.store.getRuns(input.envId, [input.runId])).get(input.runId);
    return run ? { kind: "already-final", status: run.status } : { kind: "not-found" };
  }

  /** Null when the run moved since it was read. */
  private async cancel(live: LiveRun, input: CancelInput): Promise<CancelOutcome | null> {
    if (live.state === "PENDING_CANCEL" && !input.immediate) return { kind: "already-final", status: "CANCELED" };
    if (!input.immediate && (await this.hasWorker(live))) return this.askWorker(live, input);
    const error = storedError({ type: "STRING_ERROR", raw: input.reason ?? DEFAULT_REASON });
    const outcome = await this.deps.ends.finish(serverEnd(live, "CANCELED", error), true);
    return outcome.kind === "finished" ? { kind: "canceled", status: outcome.status } : null;
  }

  /** A dev run that was handed out but not started ends at once: the CLI may hold it unstarted for long. */
  private async hasWorker(live: LiveRun): Promise<boolean> {
    if (IN_ATTEMPT.includes(live.state)) return true;
    if (live.state !== "PENDING_EXECUTING") return false;
    return (await this.deps.directory.byId(live.envId))?.type !== "DEVELOPMENT";
  }

  private async askWorker(live: LiveRun, input: CancelInput): Promise<CancelOutcome | null> {
    const dueAt = new Date(this.deps.clock.now() + this.deps.timeoutMs);
    const lastError = storedError({ type: "STRING_ERROR", raw: input.reason ?? DEFAULT_REASON });
    const outcome = await this.deps.epochs.run((epoch) =>
      this.deps.store.transition({
        runId: live.id,
        epoch,
        seq: live.seq,
        from: [...IN_ATTEMPT, "PENDING_EXECUTING"],
        to: { state: "PENDING_CANCEL", status: "CANCELED" },
        set: { dueAt, lastError },
        bumpSeq: true,
      })
    );
    if (outcome.kind !== "changed") return null;
    const { seq, state, status, envId } = outcome.live;
    void this.deps.index.release({ runId: live.id, lane: live.lane, seq });
    this.deps.feed.publish({ envId, runId: live.id, seq, state, status, notify: true });
    this.deps.onTimer(dueAt);
    this.deps.onCanceled(envId, live.id);
    return { kind: "pending", status };
  }
}
