/** Queued runs leave a region without agents for one that has agents and their version; runs that named a region stay. */
import type { EnvironmentDirectory } from "../../environments/types";
import type { DueRun, RunStore } from "../../runops/runStore";
import type { DeployedVersions } from "./deployedVersions";
import type { IndexWriter } from "../queueIndex/indexWriter.server";
import type { RunFeed } from "../types";

const PAGE = 200;

type MoveDeps = {
  store: Pick<RunStore, "queuedInRegion" | "transition">;
  directory: Pick<EnvironmentDirectory, "byId">;
  deployed: Pick<DeployedVersions, "byWorker">;
  index: IndexWriter;
  feed: RunFeed;
};

export class MoveQueuedRunsService {
  constructor(private readonly deps: MoveDeps) {}

  /** How many runs were moved. `to`: names of regions that can take them. */
  async call({ from, to }: { from: string; to: readonly string[] }): Promise<number> {
    let moved = 0;
    let after: string | null = null;
    for (;;) {
      const runs: DueRun[] = await this.deps.store.queuedInRegion(from, after, PAGE);
      const results = await Promise.all(runs.map((run) => this.move(run, to)));
      moved += results.filter(Boolean).length;
      const last = runs.at(-1);
      if (runs.length < PAGE || !last) return moved;
      after = last.id;
    }
  }

  private async move(run: DueRun, to: readonly string[]): Promise<boolean> {
    if (run.options.region !== undefined) return false;
    const region = await this.destination(run, to);
    if (region === null) return false;
    const outcome = await this.deps.store.transition({
      runId: run.id,
      epoch: null,
      seq: run.seq,
      from: ["QUEUED"],
      to: { state: "QUEUED", status: run.status },
      set: { region },
      bumpSeq: false,
    });
    if (outcome.kind !== "changed") return false;
    await this.deps.index.remove({ runId: run.id, lane: run.lane });
    await this.deps.index.offer({ runId: run.id, lane: outcome.live.lane, score: run.score });
    const { envId, seq, state, status } = outcome.live;
    this.deps.feed.publish({ envId, runId: run.id, seq, state, status });
    return true;
  }

  private async destination(run: DueRun, to: readonly string[]): Promise<string | null> {
    const versionId = run.versionId ?? (await this.deps.directory.byId(run.envId))?.currentWorkerId ?? null;
    const deployed = versionId ? await this.deps.deployed.byWorker(versionId) : null;
    return [...to].sort().find((name) => deployed?.regions.has(name)) ?? null;
  }
}
