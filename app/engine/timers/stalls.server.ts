/** What to do with runs whose deadline in the index has passed: the row decides, the deadline only asks. */
import type { EnvironmentDirectory } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import { errorMessage, type Logger } from "../../platform/logger";
import type { LiveRun, RunStore } from "../../runops/runStore";
import type { Counters } from "../counters";
import type { EngineOptions } from "../env";
import type { EpochGuard } from "../queueIndex/epochGuard.server";
import { IN_ATTEMPT, type FailedAttempts } from "../attempts/failedAttempts.server";
import type { IndexWriter } from "../queueIndex/indexWriter.server";
import type { QueueIndex } from "../queueIndex/queueIndex";
import { serverEnd, type RunEnds } from "../attempts/runEnds.server";
import type { RunHeaders } from "../dequeue/runHeaders.server";
import type { RunFeed, WireError, WorkerCall } from "../types";
import { storedError } from "../workers/wireErrors";
import { parseCall } from "../workers/workerCall";

const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 3_600_000;

type StallDeps = {
  store: Pick<RunStore, "getLive" | "transition">;
  ends: RunEnds;
  failures: FailedAttempts;
  epochs: EpochGuard;
  headers: RunHeaders;
  index: IndexWriter;
  deadlines: Pick<QueueIndex, "forget">;
  directory: Pick<EnvironmentDirectory, "byId">;
  feed: RunFeed;
  counters: Counters;
  clock: Clock;
  log: Logger;
  options: Pick<EngineOptions, "startTimeoutMs" | "heartbeatTimeoutMs" | "maxDeliveries">;
  onTimer: (dueAt: Date) => void;
};

export class StallService {
  constructor(private readonly deps: StallDeps) {}

  /** Never throws: a run that could not be judged now comes again with the next scan. */
  async call(runIds: readonly string[]): Promise<void> {
    if (runIds.length === 0) return;
    const live = await this.deps.store.getLive(runIds);
    await this.deps.deadlines.forget(runIds.filter((id) => !live.has(id)));
    await Promise.all([...live.values()].map((run) => this.judgeSafely(run)));
  }

  private async judgeSafely(live: LiveRun): Promise<void> {
    try {
      await this.judge(live);
    } catch (error) {
      this.deps.log.warn("stall.failed", { runId: live.id, message: errorMessage(error) });
    }
  }

  private async judge(live: LiveRun): Promise<void> {
    if (live.state === "PENDING_EXECUTING") return this.judgeUnstarted(live);
    if (IN_ATTEMPT.includes(live.state)) return this.judgeSilent(live);
    // Queued again since the scan: its claim, if any, is the scan's to settle.
    if (live.state === "QUEUED") return;
    await this.deps.deadlines.forget([live.id]);
  }

  /** Moves the deadline when the row says that the time is not over; true then. */
  private async isEarly(live: LiveRun, timeoutMs: number): Promise<boolean> {
    const deadlineMs = live.updatedAt.getTime() + timeoutMs;
    if (deadlineMs <= this.deps.clock.now()) return false;
    await this.deps.index.beat({ runId: live.id, deadlineMs });
    return true;
  }

  /** Its worker gives back a run that it was handed and did not start. `requeued` is false when the run failed instead, or had moved on. */
  async release(call: WorkerCall): Promise<{ ok: true; requeued: boolean }> {
    const { runId, seq } = parseCall(call);
    const live = (await this.deps.store.getLive([runId])).get(runId);
    if (live?.envId !== call.env.id || live.seq !== seq || live.state !== "PENDING_EXECUTING") return { ok: true, requeued: false };
    return { ok: true, requeued: await this.giveBack(live) };
  }

  private async judgeUnstarted(live: LiveRun): Promise<void> {
    if (await this.isEarly(live, this.deps.options.startTimeoutMs)) return;
    await this.giveBack(live);
  }

  /** Handed out and never started: back to the queue with growing pauses, and a failure after too many rounds (false then). */
  private async giveBack(live: LiveRun): Promise<boolean> {
    if (live.deliveries >= this.deps.options.maxDeliveries) {
      await this.giveUp(live);
      return false;
    }
    const pauseMs = Math.min(FIRST_BACKOFF_MS * 2 ** Math.max(live.deliveries - 1, 0), MAX_BACKOFF_MS);
    const dueAt = new Date(this.deps.clock.now() + pauseMs);
    const outcome = await this.deps.epochs.run((epoch) =>
      this.deps.store.transition({
        runId: live.id,
        epoch,
        seq: live.seq,
        from: ["PENDING_EXECUTING"],
        to: { state: "RETRY_WAIT", status: "PENDING" },
        set: { dueAt },
        bumpSeq: true,
      })
    );
    if (outcome.kind !== "changed") return false;
    this.deps.counters.count("not_started");
    this.deps.log.info("run.not_started", { runId: live.id, deliveries: live.deliveries });
    const { seq, state, status, envId } = outcome.live;
    await this.deps.index.release({ runId: live.id, lane: live.lane, seq });
    this.deps.feed.publish({ envId, runId: live.id, seq, state, status });
    this.deps.onTimer(dueAt);
    return true;
  }

  private async giveUp(live: LiveRun): Promise<void> {
    const message = `The run was handed to a worker ${live.deliveries} times and never started.`;
    const error = storedError({ type: "INTERNAL_ERROR", code: "TASK_RUN_DEQUEUED_MAX_RETRIES", message });
    await this.deps.ends.finish(serverEnd(live, "SYSTEM_FAILURE", error), true);
  }

  /** No heartbeat for too long: the attempt counts as failed, and whatever its worker still sends is refused. */
  private async judgeSilent(live: LiveRun): Promise<void> {
    const timeoutMs = this.deps.options.heartbeatTimeoutMs;
    if (await this.isEarly(live, timeoutMs)) return;
    const env = await this.deps.directory.byId(live.envId);
    const header = await this.deps.headers.find(live.envId, live.id);
    if (!header) return;
    const error = stalledError(live, timeoutMs);
    const type = env?.type ?? "DEVELOPMENT";
    const outcome = await this.deps.failures.call({ live, header, env: { type }, completion: { ok: false, error }, stalled: true });
    this.deps.counters.count("stalls");
    this.deps.log.info("run.stalled", { runId: live.id, attempt: live.attempt, outcome: outcome.kind });
    if (outcome.kind === "final") await this.deps.ends.finish(serverEnd(live, outcome.status, storedError(error)), true);
  }
}

function stalledError(live: LiveRun, timeoutMs: number): WireError {
  const waiting = live.state === "EXECUTING_WITH_WAITPOINTS";
  const code = waiting ? "TASK_RUN_STALLED_EXECUTING_WITH_WAITPOINTS" : "TASK_RUN_STALLED_EXECUTING";
  return { type: "INTERNAL_ERROR", code, message: `No heartbeat came for ${Math.round(timeoutMs / 1_000)} s.` };
}
