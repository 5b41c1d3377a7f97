/** Frees an idempotency key, so that the next trigger with it makes a new run. */
import type { RunStore } from "../runops/runStore";
import { AppError } from "../utils/appError";

export class ResetIdempotencyKeyService {
  constructor(private readonly deps: { store: Pick<RunStore, "resetIdempotencyKey"> }) {}

  /** Answers the key. Throws 404 when no run of the task holds it. */
  async call(input: { envId: string; task: string; key: string }): Promise<{ key: string }> {
    const runId = await this.deps.store.resetIdempotencyKey(input.envId, input.task, input.key);
    if (runId === null) {
      throw new AppError(
        "idempotency_key_not_found",
        404,
        `No run of task "${input.task}" in this environment holds that idempotency key.`
      );
    }
    return { key: input.key };
  }
}
