/** Runs that waited for a version with their task: queued again when one comes, oldest first, 200 at a time. */
import type { EnvironmentDirectory, WorkerVersion } from "../environments/types";
import type { Clock } from "../platform/clock";
import type { DueRun, RunStore } from "../runops/runStore";
import { missingPart } from "./handOver.server";
import type { IndexWriter } from "./indexWriter.server";
import { dueWhenQueued } from "./timerRules";
import type { RunFeed } from "./types";

const PAGE = 200;

type PendingDeps = {
  store: Pick<RunStore, "pendingVersionRuns" | "transition">;
  directory: Pick<EnvironmentDirectory, "byId" | "workerVersion">;
  index: IndexWriter;
  feed: RunFeed;
  clock: Clock;
  onTimer: (dueAt: Date) => void;
};

export class PromotePendingVersionsService {
  constructor(private readonly deps: PendingDeps) {}

  /** How many runs were queued. `current`: the version just registered, known before the cached environment shows it. */
  async call(envId: string, current?: WorkerVersion): Promise<number> {
    const version = current ?? (await this.currentVersion(envId));
    let queued = 0;
    let after: string | null = null;
    for (;;) {
      const runs: DueRun[] = await this.deps.store.pendingVersionRuns(envId, after, PAGE);
      const released = await Promise.all(runs.map((run) => this.release(run, version)));
      queued += released.filter(Boolean).length;
      const last = runs.at(-1);
      if (runs.length < PAGE || !last) return queued;
      after = last.id;
    }
  }

  private async currentVersion(envId: string): Promise<WorkerVersion | null> {
    const env = await this.deps.directory.byId(envId);
    return env?.currentWorkerId ? this.deps.directory.workerVersion(env.currentWorkerId) : null;
  }

  private async release(run: DueRun, current: WorkerVersion | null): Promise<boolean> {
    const version = run.versionId ? await this.deps.directory.workerVersion(run.versionId) : current;
    if (missingPart(version, { task: run.task, queue: run.lane.queue })) return false;
    const dueAt = dueWhenQueued(run.options, this.deps.clock.now());
    const outcome = await this.deps.store.transition({
      runId: run.id,
      epoch: null,
      seq: run.seq,
      from: ["RUN_CREATED"],
      to: { state: "QUEUED", status: "PENDING" },
      set: { dueAt, reason: null, queuedNow: true },
      bumpSeq: true,
    });
    if (outcome.kind !== "changed") return false;
    const { seq, state, status, envId, lane, score } = outcome.live;
    await this.deps.index.offer({ runId: run.id, lane, score });
    this.deps.feed.publish({ envId, runId: run.id, seq, state, status });
    this.deps.onTimer(dueAt);
    return true;
  }
}
