/** Concurrency limits and pauses of an environment, in the form that the queue index wants. */
import type { EnvironmentDirectory } from "../environments/types";
import type { EnvironmentLimits, LimitsSource, QueueIndex } from "./queueIndex/queueIndex";
import type { PauseState } from "./types";

/** Nothing may run in an environment that is gone. */
function closed(envId: string): EnvironmentLimits {
  return { envId, max: 0, base: 0, paused: true, queues: [] };
}

/** What the index asks when it does not hold the limits of an environment. */
export function limitsSource(directory: Pick<EnvironmentDirectory, "byId" | "queues">): LimitsSource {
  return async (envId) => {
    const env = await directory.byId(envId);
    if (!env || env.archivedAt) return closed(envId);
    const queues = await directory.queues(envId);
    return {
      envId,
      max: Math.floor(env.maxConcurrency * env.burstFactor),
      base: env.maxConcurrency,
      paused: env.pausedAt !== null,
      queues: queues
        .filter((queue) => queue.limit !== null || queue.pausedAt !== null)
        .map((queue) => ({ name: queue.name, limit: queue.limit, paused: queue.pausedAt !== null })),
    };
  };
}

/** Hands changed limits to the index and waits until no claim taken under the old ones is open. */
export class LimitsChangedService {
  private readonly load: LimitsSource;

  constructor(
    private readonly directory: Pick<EnvironmentDirectory, "byId" | "queues">,
    private readonly index: Pick<QueueIndex, "setLimits" | "settleClaims">
  ) {
    this.load = limitsSource(directory);
  }

  /** `settle` false: only the index is told (a change heard from another process, which waits itself). */
  async call(envId: string, settle: boolean): Promise<void> {
    await this.index.setLimits(await this.load(envId));
    if (settle) await this.index.settleClaims(envId, null);
  }

  /** What is paused now. */
  async pauses(envId: string): Promise<PauseState> {
    const [env, queues] = await Promise.all([this.directory.byId(envId), this.directory.queues(envId)]);
    return {
      environment: env?.pausedAt != null,
      queues: queues.filter((queue) => queue.pausedAt !== null).map((queue) => queue.name),
    };
  }
}
