/** Processes as recovery sees them: an index, its recovery and a store each, over shared stores of the test. */
import type { EnvironmentLimits } from "../app/engine/queueIndex/queueIndex";
import { createQueueIndex, type QueueIndexDriver } from "../app/engine/queueIndex/queueIndex.server";
import { createRecovery, type Recovery } from "../app/engine/recovery/recovery.server";
import { systemClock, type Clock } from "../app/platform/clock";
import { silentLogger } from "../app/platform/logger";
import { createRedis, type Redis } from "../app/platform/redis.server";
import { createRunStore, type ResidentStore } from "../app/runops/resident/resident.server";
import type { LiveRun, NewRun } from "../app/runops/runStore";
import { limitsOf } from "./indexFixture";
import { plainRun } from "./plainRun";

export type Member = { index: QueueIndexDriver; recovery: Recovery; store: ResidentStore; overdue: string[]; stop(): Promise<void> };

export type MemberOptions = {
  databaseUrl: string;
  redisUrl: string;
  limits?: Map<string, EnvironmentLimits>;
  clock?: Clock;
  sweepEveryMs?: number;
};

const TIMEOUTS = { pendingExecutingMs: 60_000, executingMs: 300_000 };

/** A process whose loops do not run yet; `recovery.start()` starts them. */
export async function joinProcess(options: MemberOptions): Promise<Member> {
  const clock = options.clock ?? systemClock;
  const redis: Redis = createRedis({ url: options.redisUrl, name: "member", log: silentLogger });
  const store = createRunStore({ url: options.databaseUrl, name: "member", clock, log: silentLogger, readConnections: 3 });
  const limits = async (envId: string) => options.limits?.get(envId) ?? limitsOf(envId);
  const index = createQueueIndex({ redis, limits, log: silentLogger, clock });
  await index.start();
  const overdue: string[] = [];
  const onOverdue = async (runIds: readonly string[]) => {
    overdue.push(...runIds);
    await index.forget(runIds);
  };
  const sweep = options.sweepEveryMs === undefined ? {} : { sweepEveryMs: options.sweepEveryMs };
  const recovery = createRecovery({ index, store, clock, log: silentLogger, onOverdue, timeouts: TIMEOUTS, ...sweep });
  return {
    index,
    recovery,
    store,
    overdue,
    async stop() {
      await recovery.stop();
      await index.stop();
      await store.stop();
      redis.disconnect();
    },
  };
}

/** A queued run of `envId`, created `ageMs` ago. */
export function queuedRun(envId: string, over: Partial<NewRun> = {}, ageMs = 0): NewRun {
  return plainRun(Date.now() - ageMs, { envId, ...over });
}

/** Commits a run, and offers it unless `isLost`. */
export async function trigger(member: Member, run: NewRun, isLost = false): Promise<NewRun> {
  await member.store.trigger(run);
  if (!isLost) await member.index.enqueue([{ runId: run.id, lane: laneOfRun(run), score: run.score }]);
  return run;
}

/** The lane of a run. */
export function laneOfRun(run: Pick<NewRun, "envId" | "queue" | "concurrencyKey" | "region">) {
  return { envId: run.envId, queue: run.queue, concurrencyKey: run.concurrencyKey, region: run.region };
}

/** Takes, commits and starts up to `count` runs, as the engine does. */
export async function startRuns(member: Member, count: number): Promise<LiveRun[]> {
  const claims = await member.index.take("main", count, Date.now());
  const started = await Promise.all(claims.map((claim) => startClaim(member, claim)));
  return started.filter((live) => live !== null);
}

async function startClaim(member: Member, claim: Awaited<ReturnType<QueueIndexDriver["take"]>>[number]): Promise<LiveRun | null> {
  const { runId, epoch, lane } = claim;
  const taken = await member.store.dequeue({ runId, epoch, currentVersionId: "v1", relock: false });
  if (taken.kind === "stale-epoch") return null;
  if (taken.kind === "gone") {
    await member.index.release([{ runId, lane, claim: claim.claim }]);
    return null;
  }
  await member.index.confirm([{ runId, lane, claim: claim.claim, seq: taken.live.seq, deadlineMs: Date.now() + 60_000 }]);
  const started = await member.store.start({ runId, seq: taken.live.seq, replayKey: null, maxAttempt: 250 });
  return started.kind === "started" ? started.live : null;
}

/** Completes a run that was started; true when this call finished it. */
export async function completeRun(member: Member, live: LiveRun): Promise<boolean> {
  let epoch = member.index.epoch() ?? 0;
  for (;;) {
    const outcome = await member.store.finish({
      runId: live.id,
      epoch,
      guard: { quoted: live.seq },
      status: "COMPLETED_SUCCESSFULLY",
      output: null,
      outputType: "application/json",
      error: null,
      usageMs: 1,
      costInCents: 0,
      freeIdempotencyKey: false,
    });
    if (outcome.kind === "finished") {
      await member.index.release([{ runId: live.id, lane: live.lane, seq: outcome.finalSeq }]);
      return true;
    }
    if (outcome.kind !== "stale-epoch") return false;
    epoch = (await member.index.renewEpoch(epoch)) ?? epoch;
  }
}

/** What the index of `epoch` says, without what may differ between two true indexes (virtual times, deadlines, claims). */
export async function indexContents(redis: Redis, epoch: number): Promise<Record<string, unknown>> {
  const prefix = `q:${epoch}:{0}:`;
  const contents: Record<string, unknown> = {};
  for (const key of (await redis.keys(`${prefix}*`)).toSorted()) {
    const name = key.slice(prefix.length);
    if (/^L:/.test(name)) contents[name] = await redis.zrange(key, 0, "-1", "WITHSCORES");
    else if (/^(RE|CNT):/.test(name)) contents[name] = await redis.hgetall(key);
    else if (/^RL:|^SE$/.test(name)) contents[name] = (await redis.smembers(key)).toSorted();
    else if (name === "HB") contents[name] = (await redis.zrange(key, 0, "-1")).toSorted();
  }
  return contents;
}
