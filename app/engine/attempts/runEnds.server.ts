/** The one way a run ends: commit, free its slot, tell everybody, and see to its children when it was cancelled. */
import type { FinishOutcome, FinishRequest, LiveRun, RunStore } from "../../runops/runStore";
import type { Counters } from "../counters";
import type { EpochGuard } from "../queueIndex/epochGuard.server";
import type { IndexWriter } from "../queueIndex/indexWriter.server";
import type { RunFeed } from "../types";

/** A finish without the epoch, which is found here. */
export type EndRequest = Omit<FinishRequest, "epoch">;
export type EndOutcome = Exclude<FinishOutcome, { kind: "stale-epoch" }>;

type Ended = Extract<EndOutcome, { kind: "finished" }>;

type RunEndsDeps = {
  store: Pick<RunStore, "finish">;
  epochs: EpochGuard;
  index: IndexWriter;
  feed: RunFeed;
  counters: Counters;
  /** Called with every run that ended CANCELED. */
  onCanceled: (envId: string, runId: string) => void;
};

export class RunEnds {
  constructor(private readonly deps: RunEndsDeps) {}

  /** `notify`: the worker did not ask for this end and should hear of it. */
  async finish(request: EndRequest, notify: boolean): Promise<EndOutcome> {
    const outcome = await this.deps.epochs.run((epoch) => this.deps.store.finish({ ...request, epoch }));
    if (outcome.kind === "finished") this.after(outcome, { notify, queued: "seq" in request.guard });
    return outcome;
  }

  /** `queued`: the run may still sit in its lane, because no worker ended it. */
  private after(ended: Ended, { notify, queued }: { notify: boolean; queued: boolean }): void {
    const { live, finalSeq: seq, status } = ended;
    this.deps.counters.count("runs_ended");
    const held = { runId: live.id, lane: live.lane, seq };
    void (queued ? this.deps.index.remove(held) : this.deps.index.release(held));
    this.deps.feed.publish({ envId: live.envId, runId: live.id, seq, state: "FINISHED", status, notify });
    if (status === "CANCELED") this.deps.onCanceled(live.envId, live.id);
  }
}

/** A finish that the server decides on a row it has read: guarded by its seq. */
export function serverEnd(live: LiveRun, status: EndRequest["status"], error: string | null): EndRequest {
  return {
    runId: live.id,
    guard: { seq: live.seq },
    status,
    output: null,
    outputType: "application/json",
    error,
    usageMs: 0,
    costInCents: 0,
    freeIdempotencyKey: status !== "COMPLETED_SUCCESSFULLY" && status !== "CANCELED",
  };
}
