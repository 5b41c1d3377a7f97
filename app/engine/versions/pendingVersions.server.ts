/** Runs that waited for a version with their task: queued again when one comes, oldest first, 200 at a time. */
import type { EnvironmentDirectory, EnvironmentView, WorkerVersion } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import type { DueRun, RunStore, TransitionRequest } from "../../runops/runStore";
import type { DeployedVersions } from "./deployedVersions";
import type { IndexWriter } from "../queueIndex/indexWriter.server";
import { dueWhenQueued } from "../timers/timerRules";
import type { RunFeed } from "../types";
import type { VersionFit } from "./versionFit.server";

const PAGE = 200;
const QUEUED = { state: "QUEUED", status: "PENDING" } as const;
const DELAYED = { state: "DELAYED", status: "DELAYED" } as const;

type PendingDeps = {
  store: Pick<RunStore, "pendingVersionRuns" | "transition">;
  directory: Pick<EnvironmentDirectory, "byId" | "workerVersion">;
  deployed: Pick<DeployedVersions, "byExternalId">;
  fit: VersionFit;
  index: IndexWriter;
  feed: RunFeed;
  clock: Clock;
  onTimer: (dueAt: Date) => void;
};

type Waited = { env: Pick<EnvironmentView, "id" | "type">; current: WorkerVersion | null };

export class PromotePendingVersionsService {
  constructor(private readonly deps: PendingDeps) {}

  /** How many runs were queued. `current`: the version just registered, known before the cached environment shows it. */
  async call(envId: string, current?: WorkerVersion): Promise<number> {
    const env = await this.deps.directory.byId(envId);
    if (!env) return 0;
    const waited: Waited = { env, current: current ?? (await this.versionOf(env.currentWorkerId)) };
    let queued = 0;
    let after: string | null = null;
    for (;;) {
      const runs: DueRun[] = await this.deps.store.pendingVersionRuns(envId, after, PAGE);
      const released = await Promise.all(runs.map((run) => this.release(run, waited)));
      queued += released.filter(Boolean).length;
      const last = runs.at(-1);
      if (runs.length < PAGE || !last) return queued;
      after = last.id;
    }
  }

  private async versionOf(versionId: string | null): Promise<WorkerVersion | null> {
    return versionId ? this.deps.directory.workerVersion(versionId) : null;
  }

  /** The version that a run waits for: the one that it is locked to, the one with its external id, else the current one. */
  private async wanted(run: DueRun, { env, current }: Waited): Promise<WorkerVersion | null> {
    if (run.versionId) return this.versionOf(run.versionId);
    const { externalDeploymentId } = run.options;
    if (externalDeploymentId === undefined) return current;
    const found = await this.deps.deployed.byExternalId(env.id, externalDeploymentId);
    return this.versionOf(found?.versionId ?? null);
  }

  private async release(run: DueRun, waited: Waited): Promise<boolean> {
    const version = await this.wanted(run, waited);
    const { queue, region } = run.lane;
    const fit = await this.deps.fit.call({ env: waited.env, version, run: { task: run.task, queue, region } });
    if (fit.kind === "fits") return this.queue(run, lockOf(run, version));
    const [elsewhere] = fit.elsewhere;
    if (elsewhere === undefined || run.options.region !== undefined) return false;
    return this.queue(run, { ...lockOf(run, version), region: elsewhere });
  }

  private async queue(run: DueRun, change: TransitionRequest["set"]): Promise<boolean> {
    const now = this.deps.clock.now();
    const delayUntil = new Date(run.options.delayUntil ?? 0);
    const delayed = delayUntil.getTime() > now;
    const dueAt = delayed ? delayUntil : dueWhenQueued(run.options, now);
    const outcome = await this.deps.store.transition({
      runId: run.id,
      epoch: null,
      seq: run.seq,
      from: ["RUN_CREATED"],
      to: delayed ? DELAYED : QUEUED,
      set: { dueAt, reason: null, queuedNow: !delayed, ...change },
      bumpSeq: true,
    });
    if (outcome.kind !== "changed") return false;
    const { seq, state, status, envId, lane, score } = outcome.live;
    if (!delayed) await this.deps.index.offer({ runId: run.id, lane, score });
    this.deps.feed.publish({ envId, runId: run.id, seq, state, status });
    this.deps.onTimer(dueAt);
    return true;
  }
}

/** A run that waited for one deployment stays with it, whatever becomes current before it is handed out. */
function lockOf(run: DueRun, version: WorkerVersion | null): TransitionRequest["set"] {
  return version && run.options.externalDeploymentId !== undefined ? { versionId: version.id } : {};
}
