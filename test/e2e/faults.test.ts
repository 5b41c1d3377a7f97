/**
 * What must hold when things die: the index is flushed, the server is killed, three servers share the stores. Load and
 * workers speak HTTP as the SDK and the CLI do; what is checked is what Postgres holds at the end.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RUN_STATUSES } from "../../app/runops/runStates";
import { Cluster } from "./support/cluster";
import { finalRuns, mostAtOnce } from "./support/history";
import type { TriggerLoad } from "./support/load";
import { eventually } from "./support/processes";
import { expectToSurvive, SHORT_TIMEOUTS } from "./support/serverKills";
import type { SimulatedWorker } from "./support/simulatedWorker";
import type { Sluice } from "./support/sluice";

const COMPLETED = RUN_STATUSES.COMPLETED_SUCCESSFULLY;
/** More of them take minutes: `npm run faults` has twenty. */
const KILLS = 6;

async function expectExactlyOnce(cluster: Cluster, load: TriggerLoad, worker: SimulatedWorker): Promise<void> {
  const finals = await finalRuns(cluster.services.pool);
  const lost = load.acknowledged.filter((id) => !finals.has(id));
  expect(lost).toEqual([]);
  expect([...finals.values()].filter((run) => run.status !== COMPLETED)).toEqual([]);
  const completions = new Map<string, number>();
  for (const event of worker.events) if (event.kind === "complete") completions.set(event.runId, (completions.get(event.runId) ?? 0) + 1);
  expect([...completions].filter(([, times]) => times > 1)).toEqual([]);
}

describe("the queue index is flushed under load", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start(1);
  });
  afterAll(() => cluster?.stop());

  test("no run is lost, none runs twice, limits hold, dispatch goes on within 5 s", async () => {
    await cluster.setEnvironmentLimit(20);
    const worker = cluster.worker({ pollers: 24, workMs: () => 5 + Math.random() * 20 });
    await worker.start();
    const load = cluster.load(500);
    load.start();
    for (let flush = 0; flush < 3; flush++) {
      const before = worker.events.length;
      await eventually("runs completing", 30_000, async () => worker.events.length > before + 400);
      await cluster.redis.flushall();
      const flushedAt = Date.now();
      await eventually("starts after the flush", 30_000, async () =>
        worker.events.some((event) => event.kind === "start" && event.at > flushedAt + 50)
      );
      const resumed = worker.events.find((event) => event.kind === "start" && event.at > flushedAt + 50);
      expect((resumed?.at ?? Infinity) - flushedAt).toBeLessThan(5_000);
    }
    await load.stop();
    await cluster.drained(120_000);
    await worker.stop();
    await expectExactlyOnce(cluster, load, worker);
    expect(load.unanswered).toBe(0);
    expect((await finalRuns(cluster.services.pool)).size).toBe(load.acknowledged.length);
    expect([...(await finalRuns(cluster.services.pool)).values()].filter((run) => run.attempts !== 1)).toEqual([]);
    expect(await mostAtOnce(cluster.services.pool, cluster.first.credentials.environments.dev.id)).toBeLessThanOrEqual(20);
  });
});

describe("the server is killed at random instants under load", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start(1, SHORT_TIMEOUTS);
  });
  afterAll(() => cluster?.stop());

  test("every acknowledged run reaches a final state exactly once", () => expectToSurvive(cluster, KILLS));
});

describe("three servers on the same stores", () => {
  let cluster: Cluster;
  let turn = 0;
  const anyOrigin = () => cluster.servers[turn++ % cluster.servers.length]?.origin ?? "";
  beforeAll(async () => {
    cluster = await Cluster.start(3);
  });
  afterAll(() => cluster?.stop());

  test("an environment limit of 5 is never exceeded and all runs complete", async () => {
    await cluster.setEnvironmentLimit(5);
    const worker = cluster.worker({ pollers: 24, workMs: () => 2 + Math.random() * 10, origin: anyOrigin });
    await worker.start();
    const load = cluster.load(150, anyOrigin);
    load.start();
    await eventually("1,000 triggers", 60_000, async () => load.acknowledged.length >= 1_000);
    await load.stop();
    await cluster.drained(120_000);
    await worker.stop();
    await expectExactlyOnce(cluster, load, worker);
    expect(await mostAtOnce(cluster.services.pool, cluster.first.credentials.environments.dev.id)).toBeLessThanOrEqual(5);
  });

  test("a revoked key is refused by all of them within a second", async () => {
    const { id, secretKey } = cluster.first.credentials.environments.staging;
    const status = async (server: Sluice) =>
      (await fetch(`${server.origin}/api/v1/runs`, { headers: { authorization: `Bearer ${secretKey}` } })).status;
    for (const server of cluster.servers) expect(await status(server)).toBe(200);
    await cluster.revokeKey(id);
    const revokedAt = Date.now();
    await eventually("every server refuses the key", 5_000, async () =>
      (await Promise.all(cluster.servers.map(status))).every((code) => code === 401)
    );
    expect(Date.now() - revokedAt).toBeLessThan(1_000);
  });
});
