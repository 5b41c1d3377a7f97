/** What a due timer means depends on where the run stands; the compare-and-set makes a second fire harmless. */
import type { Clock } from "../../platform/clock";
import type { DueRun, RunStore, TransitionRequest } from "../../runops/runStore";
import type { IndexWriter } from "../queueIndex/indexWriter.server";
import { serverEnd, type RunEnds } from "../attempts/runEnds.server";
import { dueWhenQueued, expiryOf, RECHECK_MS } from "./timerRules";
import type { RunFeed } from "../types";
import { storedError } from "../workers/wireErrors";

type FireDeps = {
  store: Pick<RunStore, "transition">;
  ends: RunEnds;
  index: IndexWriter;
  feed: RunFeed;
  clock: Clock;
};

export class FireTimerService {
  constructor(private readonly deps: FireDeps) {}

  /** True when the row changed. */
  async call(run: DueRun): Promise<boolean> {
    switch (run.state) {
      case "DELAYED":
        return this.queueDelayed(run);
      case "RETRY_WAIT":
        return this.queueRetry(run);
      case "QUEUED":
        return this.expireOrRecheck(run);
      case "RUN_CREATED":
        return this.end(run, "EXPIRED", "EXTERNAL_DEPLOYMENT_NOT_FOUND: the version that the run waited for was not deployed in time.");
      case "PENDING_CANCEL":
        return this.end(run, "CANCELED", "The run was cancelled; its worker did not answer in time.");
      default:
        // A time to live that passed after the first start: the row keeps it, nothing follows.
        return false;
    }
  }

  private queueDelayed(run: DueRun): Promise<boolean> {
    const score = (run.dueAt?.getTime() ?? this.deps.clock.now()) - (run.options.priority ?? 0) * 1_000;
    const dueAt = dueWhenQueued(run.options, this.deps.clock.now());
    return this.queue(run, { set: { dueAt, score, queuedNow: true }, bumpSeq: true });
  }

  /** The snapshot that users see stays the same: it was QUEUED already. */
  private queueRetry(run: DueRun): Promise<boolean> {
    return this.queue(run, { set: { dueAt: new Date(this.deps.clock.now() + RECHECK_MS) }, bumpSeq: false });
  }

  private async queue(run: DueRun, change: Pick<TransitionRequest, "set" | "bumpSeq">): Promise<boolean> {
    const to = { state: "QUEUED", status: "PENDING" } as const;
    const outcome = await this.deps.store.transition({ runId: run.id, epoch: null, seq: run.seq, from: [run.state], to, ...change });
    if (outcome.kind !== "changed") return false;
    const { live } = outcome;
    await this.deps.index.offer({ runId: live.id, lane: live.lane, score: live.score });
    this.deps.feed.publish({ envId: live.envId, runId: live.id, seq: live.seq, state: live.state, status: live.status });
    return true;
  }

  private async expireOrRecheck(run: DueRun): Promise<boolean> {
    const expiry = expiryOf(run);
    if (expiry && expiry.getTime() <= this.deps.clock.now()) {
      return this.end(run, "EXPIRED", `Run expired because the TTL (${run.options.ttl ?? `${run.options.ttlSeconds}s`}) was reached`);
    }
    await this.deps.index.offer({ runId: run.id, lane: run.lane, score: run.score });
    const to = { state: run.state, status: run.status };
    const request = { runId: run.id, epoch: null, seq: run.seq, from: [run.state], to, set: { dueAt: expiry }, bumpSeq: false };
    return (await this.deps.store.transition(request)).kind === "changed";
  }

  private async end(run: DueRun, status: "EXPIRED" | "CANCELED", text: string): Promise<boolean> {
    const error = storedError({ type: "STRING_ERROR", raw: text });
    const outcome = await this.deps.ends.finish(serverEnd(run, status, error), true);
    return outcome.kind === "finished";
  }
}
