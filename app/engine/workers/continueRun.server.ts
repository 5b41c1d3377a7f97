/** A runner that waited asks to go on. Its process stayed in memory, so there is nothing to restore: it hears where it stands. */
import type { RunStore } from "../../runops/runStore";
import { IN_ATTEMPT } from "../attempts/failedAttempts.server";
import type { WorkerCall } from "../types";
import { pointOf, wireRun, wireSnapshot } from "./wireShapes";
import { parseCall, staleSnapshot } from "./workerCall";

export class ContinueRunService {
  constructor(private readonly store: Pick<RunStore, "getLive">) {}

  /** `{snapshot, run}`. Repeatable. AppError 409 when the quoted snapshot is not of the running attempt. */
  async call(call: WorkerCall): Promise<unknown> {
    const { runId, seq } = parseCall(call);
    const live = (await this.store.getLive([runId])).get(runId);
    if (!live || live.envId !== call.env.id) throw staleSnapshot(call, "the run is finished");
    const isOfAttempt = live.attemptSeq !== null && seq >= live.attemptSeq && seq <= live.seq;
    if (!isOfAttempt || !IN_ATTEMPT.includes(live.state)) throw staleSnapshot(call, `the run is ${live.state}`);
    const point = pointOf(live);
    return { snapshot: wireSnapshot(point), run: wireRun(point) };
  }
}
