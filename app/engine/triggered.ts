/** What follows the commit of a new run. */
import type { IndexWriter } from "./queueIndex/indexWriter.server";
import type { RunFeed, TriggeredRun } from "./types";

type TriggeredDeps = { index: Pick<IndexWriter, "offer">; feed: RunFeed; onTimer: (dueAt: Date) => void };

/** Offers a queued run, arms its timer and tells who listens. `created-canceled`: its parent was cancelled before. */
export async function triggered(deps: TriggeredDeps, run: TriggeredRun, outcome: "created" | "created-canceled"): Promise<void> {
  const { id, envId, queue, concurrencyKey, region, score, initial } = run;
  if (outcome === "created-canceled") {
    deps.feed.publish({ envId, runId: id, seq: 1, state: "FINISHED", status: "CANCELED" });
    return;
  }
  deps.feed.publish({ envId, runId: id, seq: 1, state: initial.state, status: initial.status });
  if (run.dueAt) deps.onTimer(run.dueAt);
  if (initial.state === "QUEUED") await deps.index.offer({ runId: id, lane: { envId, queue, concurrencyKey, region }, score });
}
