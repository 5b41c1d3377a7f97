/** Redis is flushed, killed and restarted empty under load: nothing lost, nothing twice, no limit exceeded. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { limitsOf, until } from "../../../test/indexFixture";
import { completeRun, joinProcess, queuedRun, startRuns, trigger, type Member } from "../../../test/recoveryFixture";
import { createTestServices, startRedisServer, type PrivateRedis, type TestServices } from "../../../test/services";
import { silentLogger } from "../../platform/logger";
import { createRedis } from "../../platform/redis.server";
import type { EnvironmentLimits } from "../queueIndex/queueIndex";

let services: TestServices;
let server: PrivateRedis;

beforeAll(async () => {
  services = await createTestServices();
  server = await startRedisServer();
});
afterAll(async () => {
  await server.close();
  await services.close();
});
beforeEach(async () => {
  await services.pool.query("TRUNCATE run_ops.run, run_ops.run_live, run_ops.run_result");
});

const LIMIT = 5;
const RUNS = 400;

async function flushAll(): Promise<void> {
  const redis = createRedis({ url: server.url, name: "test", log: silentLogger });
  await redis.flushall();
  redis.disconnect();
}

async function restartEmpty(): Promise<void> {
  await server.kill();
  await server.restart();
}

test.each([
  ["FLUSHALL", flushAll],
  ["a killed server that comes back empty", restartEmpty],
])("%s, three times, during triggers and takes of three processes", async (_name, hurt) => {
  const limits = new Map<string, EnvironmentLimits>([["e1", limitsOf("e1", { max: LIMIT })]]);
  const join = () => joinProcess({ databaseUrl: services.databaseUrl, redisUrl: server.url, limits });
  const members = [await join(), await join(), await join()];
  await Promise.all(members.map((member) => member.recovery.start()));
  await Promise.all(members.map((member) => member.recovery.ensureReady()));

  const finished: string[] = [];
  let isOver = false;
  let most = 0;
  const work = async (member: Member) => {
    while (!isOver) {
      const started = await startRuns(member, 3);
      for (const live of started) {
        await new Promise((resolve) => setTimeout(resolve, 2));
        if (await completeRun(member, live)) finished.push(live.id);
      }
      if (started.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  const watch = async () => {
    while (!isOver) {
      // One statement sees one instant of all commits.
      const { rows } = await services.pool.query<{ n: number }>("SELECT count(*)::int AS n FROM run_ops.run_live WHERE state IN (4, 5)");
      most = Math.max(most, rows[0]?.n ?? 0);
    }
  };
  const feed = async () => {
    for (let i = 0; i < RUNS; i++) {
      const member = members[i % members.length];
      if (member) await trigger(member, queuedRun("e1", { queue: `q${i % 3}` }));
    }
  };
  const wound = async () => {
    for (let time = 1; time <= 3; time++) {
      await until("progress", () => finished.length >= (RUNS / 5) * time);
      await hurt();
    }
  };
  const loops = [...members.flatMap((member) => [work(member), work(member), work(member)]), watch()];
  await Promise.all([feed(), wound()]);
  await until("all runs are final", () => finished.length >= RUNS);
  isOver = true;
  await Promise.all(loops);

  const { rows } = await services.pool.query<{ live: number; results: number; attempts: number }>(
    `SELECT (SELECT count(*)::int FROM run_ops.run_live) AS live, count(*)::int AS results, max(attempts)::int AS attempts FROM run_ops.run_result`
  );
  expect(rows[0]).toEqual({ live: 0, results: RUNS, attempts: 1 });
  expect(new Set(finished).size).toBe(RUNS);
  expect(finished).toHaveLength(RUNS);
  expect(most).toBeLessThanOrEqual(LIMIT);
  expect(most).toBeGreaterThan(1);
  await Promise.all(members.map((member) => member.stop()));
});
