/** Cancels a run and its children, in whatever state it is. */
import { runIdOf, runNotFound } from "./findRun";
import type { RunsEngine } from "./types";

export class CancelRunService {
  constructor(private readonly deps: { engine: Pick<RunsEngine, "cancel"> }) {}

  /** Answers the run's id, also when it had finished before. Throws 404 for a run of another environment. */
  async call(input: { envId: string; run: string; reason?: string }): Promise<{ runId: string }> {
    const runId = runIdOf(input.run);
    const outcome = await this.deps.engine.cancel({ envId: input.envId, runId, reason: input.reason ?? "Cancelled by the API" });
    if (outcome.kind === "not-found") throw runNotFound();
    return { runId };
  }
}
