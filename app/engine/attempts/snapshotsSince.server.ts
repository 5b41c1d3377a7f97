/** Every transition after a snapshot, oldest first, so that a worker can see what it slept through. */
import type { RunStore } from "../../runops/runStore";
import { runNotFound } from "../dequeue/runHeaders.server";
import type { WorkerCall } from "../types";
import { wireExecutionData } from "../workers/wireShapes";
import { parseCall } from "../workers/workerCall";

export class SnapshotsSinceService {
  constructor(private readonly store: Pick<RunStore, "getRun">) {}

  /** Body of `snapshots/since`: the last entry is the latest snapshot. Throws AppError 404 and 400. */
  async call(call: WorkerCall): Promise<{ snapshots: unknown[] }> {
    const { runId, seq } = parseCall(call);
    const run = await this.store.getRun(call.env.id, runId);
    if (!run) throw runNotFound();
    const later = run.history.filter((transition) => transition.seq > seq);
    const snapshots = later.map((transition) => wireExecutionData({ ...transition, id: runId, status: run.status }, run.header.batchId));
    return { snapshots };
  }
}
