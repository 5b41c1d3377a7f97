/** Applies the decision about a failed attempt of a live run: keep the process, queue the run again, or say that it is final. */
import type { EnvironmentDirectory, EnvironmentView } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import type { ExecutionState, FinalRunStatus } from "../../runops/runStates";
import type { LiveRun, RunStore, TransitionRequest } from "../../runops/runStore";
import { decideFailedAttempt, decideStalledAttempt, type AttemptOutcome, type FailedAttempt } from "./attemptOutcome";
import { usageOf } from "./completion";
import type { Counters } from "../counters";
import type { EpochGuard } from "../queueIndex/epochGuard.server";
import type { IndexWriter } from "../queueIndex/indexWriter.server";
import type { HeaderView } from "../dequeue/runHeaders.server";
import type { Completion, RunFeed } from "../types";
import { storedError } from "../workers/wireErrors";
import { machineOf } from "../workers/wireShapes";

/** States in which a process is alive inside an attempt. */
export const IN_ATTEMPT: readonly ExecutionState[] = ["EXECUTING", "EXECUTING_WITH_WAITPOINTS", "QUEUED_EXECUTING"];

export type FailureOutcome =
  | { kind: "retry-immediately" | "retry-queued"; live: LiveRun }
  | { kind: "final"; status: FinalRunStatus }
  /** The run moved since it was read: read it again. */
  | { kind: "missed" };

type Failure = {
  live: LiveRun;
  header: HeaderView;
  env: Pick<EnvironmentView, "type">;
  completion: Extract<Completion, { ok: false }>;
  /** The server gave up waiting for the worker. */
  stalled?: boolean;
  /** The process is gone: a retry goes through the queue. */
  forceRequeue?: boolean;
};

type FailureDeps = {
  store: Pick<RunStore, "transition">;
  epochs: EpochGuard;
  index: IndexWriter;
  directory: Pick<EnvironmentDirectory, "workerVersion">;
  feed: RunFeed;
  counters: Counters;
  clock: Clock;
  random: () => number;
  heartbeatTimeoutMs: number;
  /** A run is due again at this time. */
  onTimer: (dueAt: Date) => void;
};

export class FailedAttempts {
  constructor(private readonly deps: FailureDeps) {}

  async call(failure: Failure): Promise<FailureOutcome> {
    const outcome = await this.decide(failure);
    switch (outcome.kind) {
      case "final":
        return outcome;
      case "retry-immediately":
        return this.keep(failure);
      case "retry-queued":
        return this.queue(failure, outcome);
    }
  }

  /** The retry policy is the one of the version that the run is locked to, whatever was registered since. */
  private async decide({ live, header, env, completion, stalled, forceRequeue }: Failure): Promise<AttemptOutcome> {
    const version = live.versionId ? await this.deps.directory.workerVersion(live.versionId) : null;
    const task = version?.tasks.get(header.task);
    const failed: FailedAttempt = {
      error: completion.error,
      retry: completion.retry,
      skippedRetrying: completion.skippedRetrying,
      processIsGone: forceRequeue,
      attempt: live.attempt,
      maxAttempts: header.options.maxAttempts ?? null,
      retryConfig: task?.retry ?? null,
      machine: machineOf(live, header, task).name,
      isDev: env.type === "DEVELOPMENT",
      nowMs: this.deps.clock.now(),
      random: this.deps.random,
    };
    return stalled ? decideStalledAttempt(failed) : decideFailedAttempt(failed);
  }

  private async keep(failure: Failure): Promise<FailureOutcome> {
    const { live } = failure;
    const outcome = await this.deps.store.transition({
      ...this.closing(failure),
      epoch: null,
      to: { state: "EXECUTING", status: "RETRYING_AFTER_FAILURE" },
    });
    if (outcome.kind !== "changed") return { kind: "missed" };
    this.deps.counters.count("retries_immediate");
    void this.deps.index.beat({ runId: live.id, deadlineMs: this.deps.clock.now() + this.deps.heartbeatTimeoutMs });
    this.publish(outcome.live, false);
    return { kind: "retry-immediately", live: outcome.live };
  }

  private async queue(failure: Failure, retry: { dueAtMs: number; machine: string | null }): Promise<FailureOutcome> {
    const request = this.closing(failure);
    const dueAt = new Date(retry.dueAtMs);
    const set = {
      ...request.set,
      dueAt,
      score: retry.dueAtMs,
      resetDeliveries: true,
      ...(retry.machine ? { machine: retry.machine } : {}),
    };
    const outcome = await this.deps.epochs.run((epoch) =>
      this.deps.store.transition({ ...request, epoch, to: { state: "RETRY_WAIT", status: "PENDING" }, set })
    );
    if (outcome.kind !== "changed") return { kind: "missed" };
    const { live } = outcome;
    this.deps.counters.count("retries_queued");
    void this.deps.index.release({ runId: live.id, lane: live.lane, seq: live.seq });
    this.publish(live, failure.stalled === true);
    this.deps.onTimer(dueAt);
    return { kind: "retry-queued", live };
  }

  private closing({ live, completion }: Failure): Omit<TransitionRequest, "epoch" | "to"> {
    const set = { lastError: storedError(completion.error), attemptClosed: true, addUsageMs: usageOf(completion) };
    return { runId: live.id, seq: live.seq, from: IN_ATTEMPT, set, bumpSeq: true };
  }

  private publish(live: LiveRun, notify: boolean): void {
    this.deps.feed.publish({ envId: live.envId, runId: live.id, seq: live.seq, state: live.state, status: live.status, notify });
  }
}
