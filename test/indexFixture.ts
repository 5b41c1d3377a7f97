/** Queue indexes over a test's own Redis, opened without a database. */
import { createQueueIndex, type QueueIndexDriver } from "../app/engine/queueIndex/queueIndex.server";
import type { EnvironmentLimits, IndexItem } from "../app/engine/queueIndex/queueIndex";
import { systemClock, type Clock } from "../app/platform/clock";
import { silentLogger } from "../app/platform/logger";
import type { Redis } from "../app/platform/redis.server";
import type { Lane } from "../app/runops/runStore";

export const NOW = 1_800_000_000_000;

/** Limits of an environment; everything not said is generous. */
export function limitsOf(envId: string, over: Partial<EnvironmentLimits> = {}): EnvironmentLimits {
  return { envId, max: 1_000, base: over.max ?? 1_000, paused: false, queues: [], ...over };
}

/** A lane with defaults. */
export function laneOf(envId: string, over: Partial<Lane> = {}): Lane {
  return { envId, queue: "task/a", concurrencyKey: null, region: "main", ...over };
}

/** `count` items of a lane; ids and scores rise together from `from`. */
export function itemsOf(lane: Lane, count: number, from = 0): IndexItem[] {
  return Array.from({ length: count }, (_, i) => ({
    runId: `${lane.envId}-${lane.queue}-${lane.concurrencyKey ?? ""}-${lane.region}-${String(from + i).padStart(7, "0")}`,
    lane,
    score: NOW + from + i,
  }));
}

export type OpenIndex = {
  redis: Redis;
  namespace: string;
  limits: Map<string, EnvironmentLimits>;
  clock?: Clock;
};

/** A started index; the first of a namespace makes epoch 1 ready, the others adopt it. */
export async function openIndex(options: OpenIndex): Promise<QueueIndexDriver> {
  const index = createQueueIndex({
    redis: options.redis,
    namespace: options.namespace,
    limits: async (envId) => options.limits.get(envId) ?? limitsOf(envId),
    log: silentLogger,
    clock: options.clock ?? systemClock,
  });
  await index.start();
  await index.control.redisRunId(5_000);
  if ((await index.control.stateOf(1)) !== "ready") {
    await index.control.begin(1);
    await index.control.finish(1, NOW);
  }
  index.control.adopt(1, "ready");
  return index;
}

/** Polls until `done` says so; throws after 10 s. */
export async function until(what: string, done: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`Waited 10 s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
