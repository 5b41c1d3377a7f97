/** Moves the start of a delayed run. */
import type { Clock } from "../platform/clock";
import { publicStatus } from "../runops/runStates";
import { AppError } from "../utils/appError";
import { resolveDelay } from "./trigger/durations";
import { runIdOf, runNotFound } from "./findRun";
import type { RunsEngine } from "./types";

export class RescheduleRunService {
  constructor(private readonly deps: { engine: Pick<RunsEngine, "reschedule">; clock: Clock }) {}

  /** A date in the past starts the run now. Throws 422 when the run is not DELAYED. */
  async call(input: { envId: string; run: string; delay: string | number }): Promise<{ runId: string }> {
    const runId = runIdOf(input.run);
    const nowMs = this.deps.clock.now();
    const startAt = new Date(resolveDelay(input.delay, nowMs) ?? nowMs);
    const outcome = await this.deps.engine.reschedule({ envId: input.envId, runId, startAt });
    if (outcome.kind === "not-found") throw runNotFound();
    if (outcome.kind === "not-delayed") {
      throw new AppError("run_not_delayed", 422, `Only a delayed run can be rescheduled; this one is ${publicStatus(outcome.status)}.`);
    }
    return { runId };
  }
}
