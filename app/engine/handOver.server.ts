/** Moves one claimed run to PENDING_EXECUTING for one poll, or to where it belongs when its version cannot run it. */
import type { EnvironmentDirectory, EnvironmentView, WorkerVersion } from "../environments/types";
import type { EpochGuard } from "./epochGuard.server";
import type { IndexWriter } from "./indexWriter.server";
import type { Claim } from "./queueIndex";
import type { LiveRun, RunStore, TransitionOutcome, TransitionRequest } from "../runops/runStore";
import type { HeaderView, RunHeaders } from "./runHeaders.server";
import type { RunFeed } from "./types";
import { RECHECK_MS } from "./timerRules";

/** A run that a poll may be answered with. */
export type HandedRun = { live: LiveRun; header: HeaderView; version: WorkerVersion };

/**
 * `gone`: the run was not queued any more. `parked`: no version has its task yet. `other-version`: the polling worker lacks
 * the task and is not the newest; the run is queued again and the poll should end.
 */
export type HandOverOutcome = { kind: "run"; run: HandedRun } | { kind: "gone" | "parked" | "other-version" };

type HandOverDeps = {
  store: Pick<RunStore, "dequeue" | "transition">;
  epochs: EpochGuard;
  index: IndexWriter;
  headers: RunHeaders;
  directory: Pick<EnvironmentDirectory, "byId" | "workerVersion">;
  feed: RunFeed;
  now: () => number;
  startTimeoutMs: number;
  /** Called after a run was parked, because the version that it waits for may have come meanwhile. */
  onParked: (envId: string) => void;
};

type TakenRun = { live: LiveRun; header: HeaderView };

const UNKNOWN_VERSION = "Its worker version is not known.";

export class HandOverService {
  constructor(private readonly deps: HandOverDeps) {}

  async call(claim: Claim, poll: { env: EnvironmentView; version: WorkerVersion }): Promise<HandOverOutcome> {
    const relock = poll.env.type === "DEVELOPMENT";
    const request = { runId: claim.runId, epoch: claim.epoch, currentVersionId: poll.version.id, relock };
    const outcome = await this.deps.store.dequeue(request);
    if (outcome.kind === "stale-epoch") return { kind: "gone" };
    if (outcome.kind === "gone") {
      await this.giveBack(claim);
      return { kind: "gone" };
    }
    const { live, header } = outcome;
    const deadlineMs = this.deps.now() + this.deps.startTimeoutMs;
    this.deps.headers.remember(header);
    await this.deps.index.confirm({ runId: live.id, lane: claim.lane, claim: claim.claim, seq: live.seq, deadlineMs });
    const version = live.versionId === poll.version.id ? poll.version : await this.versionOf(live);
    const missing = missingPart(version, header);
    if (version && !missing) {
      this.publish(live);
      return { kind: "run", run: { live, header, version } };
    }
    return this.turnAway({ live, header }, poll, missing ?? UNKNOWN_VERSION);
  }

  /** Free a claim that nobody can use. */
  async giveBack(claim: Claim): Promise<void> {
    await this.deps.index.release({ runId: claim.runId, lane: claim.lane, claim: claim.claim });
  }

  /** The poll that the run was meant for has gone: queue it again at its old place. */
  async undo(run: HandedRun): Promise<void> {
    await this.requeue(run.live);
  }

  private async versionOf(live: LiveRun): Promise<WorkerVersion | null> {
    return live.versionId ? this.deps.directory.workerVersion(live.versionId) : null;
  }

  private async turnAway(run: TakenRun, poll: { env: EnvironmentView; version: WorkerVersion }, reason: string): Promise<HandOverOutcome> {
    const { live } = run;
    const env = await this.deps.directory.byId(live.envId);
    if (env?.currentWorkerId && env.currentWorkerId !== poll.version.id && live.versionId === poll.version.id) {
      await this.requeue(live);
      return { kind: "other-version" };
    }
    await this.park(run, reason);
    return { kind: "parked" };
  }

  private async park({ live, header }: TakenRun, reason: string): Promise<void> {
    const pinned = header.options.lockToVersion !== undefined;
    const parked = await this.transition(live, {
      to: { state: "RUN_CREATED", status: "PENDING_VERSION" },
      set: { reason, dueAt: null, resetDeliveries: true, ...(pinned ? {} : { versionId: null }) },
    });
    if (parked.kind !== "changed") return;
    await this.deps.index.release({ runId: live.id, lane: live.lane, seq: parked.live.seq });
    this.publish(parked.live);
    this.deps.onParked(live.envId);
  }

  private async requeue(live: LiveRun): Promise<void> {
    const queued = await this.transition(live, {
      to: { state: "QUEUED", status: "PENDING" },
      set: { dueAt: new Date(this.deps.now() + RECHECK_MS), resetDeliveries: true },
    });
    if (queued.kind !== "changed") return;
    await this.deps.index.releaseAndOffer({ runId: live.id, lane: live.lane, seq: queued.live.seq }, live.score);
    this.publish(queued.live);
  }

  private transition(
    live: LiveRun,
    change: Pick<TransitionRequest, "to" | "set">
  ): Promise<Exclude<TransitionOutcome, { kind: "stale-epoch" }>> {
    return this.deps.epochs.run((epoch) =>
      this.deps.store.transition({ runId: live.id, epoch, seq: live.seq, from: ["PENDING_EXECUTING"], bumpSeq: true, ...change })
    );
  }

  private publish(live: LiveRun): void {
    this.deps.feed.publish({ envId: live.envId, runId: live.id, seq: live.seq, state: live.state, status: live.status });
  }
}

/** Why this version cannot run it, in words for the run page; null when it can. */
export function missingPart(version: WorkerVersion | null, header: Pick<HeaderView, "task" | "queue">): string | null {
  if (!version) return UNKNOWN_VERSION;
  if (!version.tasks.has(header.task)) return `Version ${version.version} has no task "${header.task}".`;
  if (!version.queues.has(header.queue)) return `Version ${version.version} has no queue "${header.queue}".`;
  return null;
}
