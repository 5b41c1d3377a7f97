/** Moves one claimed run to PENDING_EXECUTING for one poll, or to where it belongs when its version cannot run it. */
import type { EnvironmentDirectory, EnvironmentView, WorkerVersion } from "../../environments/types";
import type { LiveRun, RunStore, TransitionOutcome, TransitionRequest } from "../../runops/runStore";
import type { DeployedVersion } from "../versions/deployedVersions";
import type { EpochGuard } from "../queueIndex/epochGuard.server";
import type { IndexWriter } from "../queueIndex/indexWriter.server";
import type { Claim } from "../queueIndex/queueIndex";
import type { HeaderView, RunHeaders } from "./runHeaders.server";
import { RECHECK_MS } from "../timers/timerRules";
import type { RunFeed } from "../types";
import type { Fit, VersionFit } from "../versions/versionFit.server";
import { machineOf } from "../workers/wireShapes";

/** Who polls: one worker of a dev session, or an agent for its whole region. */
export type HandOverTarget =
  | { kind: "session"; env: EnvironmentView; version: WorkerVersion }
  | {
      kind: "region";
      region: string;
      /** A run whose machine is larger goes back to its queue. */
      maxResources?: { cpu: number; memory: number };
    };

/** A run that a poll may be answered with. `deployed` is null in dev. */
export type HandedRun = {
  live: LiveRun;
  header: HeaderView;
  env: EnvironmentView;
  version: WorkerVersion;
  deployed: DeployedVersion | null;
};

/**
 * `gone`: the run was not queued any more. `parked`: no version has its task yet. `moved`: another region has its version.
 * `other-version`, `too-large`: the poll is not for this run, which is queued again; the poll should end.
 */
export type HandOverOutcome = { kind: "run"; run: HandedRun } | { kind: "gone" | "parked" | "moved" | "other-version" | "too-large" };

type HandOverDeps = {
  store: Pick<RunStore, "dequeue" | "transition">;
  epochs: EpochGuard;
  index: IndexWriter;
  headers: RunHeaders;
  directory: Pick<EnvironmentDirectory, "byId" | "workerVersion">;
  fit: VersionFit;
  feed: RunFeed;
  now: () => number;
  startTimeoutMs: number;
  /** Called after a run was parked, because the version that it waits for may have come meanwhile. */
  onParked: (envId: string) => void;
  /** Called with a run of an environment that was archived. */
  onArchived: (envId: string, runId: string) => void;
};

type TakenRun = { live: LiveRun; header: HeaderView };

export class HandOverService {
  constructor(private readonly deps: HandOverDeps) {}

  async call(claim: Claim, target: HandOverTarget): Promise<HandOverOutcome> {
    const env = target.kind === "session" ? target.env : await this.deps.directory.byId(claim.lane.envId);
    if (!env || env.archivedAt) return this.dropArchived(claim);
    const outcome = await this.deps.store.dequeue({ runId: claim.runId, epoch: claim.epoch, ...versionWanted(env, target) });
    if (outcome.kind === "stale-epoch") return { kind: "gone" };
    if (outcome.kind === "gone") {
      await this.giveBack(claim);
      return { kind: "gone" };
    }
    const { live, header } = outcome;
    const deadlineMs = this.deps.now() + this.deps.startTimeoutMs;
    this.deps.headers.remember(header);
    void this.deps.index.confirm({ runId: live.id, lane: claim.lane, claim: claim.claim, seq: live.seq, deadlineMs });
    const version = await this.versionOf(live, target);
    const fit = await this.deps.fit.call({ env, version, run: { task: header.task, queue: header.queue, region: live.lane.region } });
    if (fit.kind === "misses") return this.turnAway({ live, header }, target, fit);
    const run = { live, header, env, version: fit.version, deployed: fit.deployed };
    if (isTooLarge(run, target)) {
      await this.requeue(live);
      return { kind: "too-large" };
    }
    this.publish(live);
    return { kind: "run", run };
  }

  /** Free a claim that nobody can use. */
  async giveBack(claim: Claim): Promise<void> {
    await this.deps.index.release({ runId: claim.runId, lane: claim.lane, claim: claim.claim });
  }

  /** The poll that the run was meant for has gone: queue it again at its old place. */
  async undo(run: HandedRun): Promise<void> {
    await this.requeue(run.live);
  }

  private async dropArchived(claim: Claim): Promise<HandOverOutcome> {
    await this.giveBack(claim);
    this.deps.onArchived(claim.lane.envId, claim.runId);
    return { kind: "gone" };
  }

  private async versionOf(live: LiveRun, target: HandOverTarget): Promise<WorkerVersion | null> {
    if (target.kind === "session" && live.versionId === target.version.id) return target.version;
    return live.versionId ? this.deps.directory.workerVersion(live.versionId) : null;
  }

  private async turnAway(run: TakenRun, target: HandOverTarget, fit: Extract<Fit, { kind: "misses" }>): Promise<HandOverOutcome> {
    const { live } = run;
    if (target.kind === "session") {
      const env = await this.deps.directory.byId(live.envId);
      if (env?.currentWorkerId && env.currentWorkerId !== target.version.id && live.versionId === target.version.id) {
        await this.requeue(live);
        return { kind: "other-version" };
      }
    }
    const [elsewhere] = fit.elsewhere;
    if (elsewhere !== undefined && run.header.options.region === undefined) {
      await this.requeue(live, elsewhere);
      return { kind: "moved" };
    }
    await this.park(run, fit.reason);
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

  private async requeue(live: LiveRun, region?: string): Promise<void> {
    const queued = await this.transition(live, {
      to: { state: "QUEUED", status: "PENDING" },
      set: { dueAt: new Date(this.deps.now() + RECHECK_MS), resetDeliveries: true, ...(region === undefined ? {} : { region }) },
    });
    if (queued.kind !== "changed") return;
    await this.deps.index.release({ runId: live.id, lane: live.lane, seq: queued.live.seq });
    await this.deps.index.offer({ runId: live.id, lane: queued.live.lane, score: live.score });
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

/** In dev the polling worker, even when the run was locked before; deployed: the current version, read at this moment. */
function versionWanted(env: EnvironmentView, target: HandOverTarget): { currentVersionId: string | null; relock: boolean } {
  if (target.kind === "region") return { currentVersionId: env.currentWorkerId, relock: false };
  return { currentVersionId: target.version.id, relock: env.type === "DEVELOPMENT" };
}

function isTooLarge({ live, header, version }: HandedRun, target: HandOverTarget): boolean {
  if (target.kind === "session" || !target.maxResources) return false;
  const machine = machineOf(live, header, version.tasks.get(header.task));
  return machine.cpu > target.maxResources.cpu || machine.memory > target.maxResources.memory;
}
