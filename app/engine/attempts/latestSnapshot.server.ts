/** Where a run stands: polled every few seconds by the worker of every run, so it reads the live row only. */
import type { RunStore } from "../../runops/runStore";
import { runNotFound, type RunHeaders } from "../dequeue/runHeaders.server";
import type { WorkerCall } from "../types";
import { pointOf, wireExecutionData } from "../workers/wireShapes";
import { parseRunId } from "../workers/workerCall";

export class LatestSnapshotService {
  constructor(
    private readonly store: Pick<RunStore, "getLive" | "getRuns">,
    private readonly headers: RunHeaders
  ) {}

  /** Body of `snapshots/latest`; AppError 404 when the environment has no such run. */
  async call(call: Omit<WorkerCall, "snapshotId">): Promise<{ execution: unknown }> {
    const runId = parseRunId(call.runId);
    const envId = call.env.id;
    const live = (await this.store.getLive([runId])).get(runId);
    if (live && live.envId === envId) {
      const header = await this.headers.require(envId, runId);
      return { execution: wireExecutionData(pointOf(live), header.batchId) };
    }
    const run = (await this.store.getRuns(envId, [runId])).get(runId);
    if (!run) throw runNotFound();
    const point = { id: runId, seq: run.seq, state: run.state, status: run.status, attempt: run.attempt, at: run.updatedAt };
    return { execution: wireExecutionData(point, run.header.batchId) };
  }
}
