/**
 * What must hold when things die: the index is flushed, the server is killed, three servers share the stores. Load and
 * workers speak HTTP as the SDK and the CLI do; what is checked is what Postgres holds at the end.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RUN_STATUSES } from "../../app/runops/runStates";
import { createEnvironments } from "../../app/environments/environments.server";
import { systemClock } from "../../app/platform/clock";
import { createRedis, type Redis } from "../../app/platform/redis.server";
import { silentLogger } from "../../app/platform/logger";
import { createTestServices, type PrivateRedis, startRedisServer, type TestServices } from "../services";
import { finalRuns, liveCount, mostAtOnce } from "./support/history";
import { TriggerLoad } from "./support/load";
import { eventually } from "./support/processes";
import { SimulatedWorker } from "./support/simulatedWorker";
import { SHARED_KEY, type Sluice, startSluice } from "./support/sluice";

const COMPLETED = RUN_STATUSES.COMPLETED_SUCCESSFULLY;

/** Servers on stores of this test's own. */
class Cluster {
  servers: Sluice[] = [];
  private constructor(
    readonly services: TestServices,
    readonly redisServer: PrivateRedis,
    readonly redis: Redis
  ) {}

  static async start(count: number, env: Record<string, string> = {}): Promise<Cluster> {
    const services = await createTestServices();
    const redisServer = await startRedisServer();
    const cluster = new Cluster(services, redisServer, createRedis({ url: redisServer.url, name: "fault-test", log: silentLogger }));
    for (let i = 0; i < count; i++)
      cluster.servers.push(await startSluice({ stores: { databaseUrl: services.databaseUrl, redisUrl: redisServer.url }, env }));
    return cluster;
  }

  get first(): Sluice {
    const server = this.servers[0];
    if (!server) throw new Error("no server");
    return server;
  }

  worker(options: { pollers: number; workMs: () => number; origin?: () => string }): SimulatedWorker {
    const { credentials } = this.first;
    return new SimulatedWorker({
      origin: options.origin ?? (() => this.first.origin),
      secretKey: credentials.environments.dev.secretKey,
      projectRef: credentials.projectRef,
      tasks: [{ id: "load" }],
      pollers: options.pollers,
      workMs: options.workMs,
    });
  }

  load(perSecond: number, origin?: () => string): TriggerLoad {
    const secretKey = this.first.credentials.environments.dev.secretKey;
    return new TriggerLoad({ origin: origin ?? (() => this.first.origin), secretKey, task: "load", perSecond });
  }

  async setEnvironmentLimit(limit: number): Promise<void> {
    await this.services.pool.query("UPDATE environment SET max_concurrency = $1 WHERE id = $2", [
      limit,
      this.first.credentials.environments.dev.id,
    ]);
  }

  /** As the dashboard's "revoke now" does, from a process that is none of the servers. */
  async revokeKey(envId: string): Promise<void> {
    const { databaseUrl, pool, log } = this.services;
    const options = { pool, directDatabaseUrl: databaseUrl, encryptionKey: SHARED_KEY, defaultConcurrency: 100, clock: systemClock, log };
    const environments = createEnvironments(options);
    await environments.rotateKey.call({ envId, graceMs: 0 });
    await environments.prisma.$disconnect();
  }

  async drained(timeoutMs: number): Promise<void> {
    await eventually("every run final", timeoutMs, async () => (await liveCount(this.services.pool)) === 0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.remove()));
    this.redis.disconnect();
    await this.redisServer.close();
    await this.services.close();
  }
}

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

describe("the server is killed at 20 random instants under load", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    // A worker's answer can be lost with the server: such a run is found by these timeouts, which are minutes by default.
    cluster = await Cluster.start(1, { SLUICE_START_TIMEOUT_MS: "3000", SLUICE_HEARTBEAT_TIMEOUT_MS: "8000" });
  });
  afterAll(() => cluster?.stop());

  test("every acknowledged run reaches a final state exactly once", async () => {
    const worker = cluster.worker({ pollers: 10, workMs: () => 5 + Math.random() * 30 });
    await worker.start();
    const load = cluster.load(100);
    load.start();
    for (let kill = 0; kill < 20; kill++) {
      await new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 800));
      await cluster.first.killServer();
      await cluster.first.start();
    }
    await load.stop();
    await cluster.drained(120_000);
    await worker.stop();
    const finals = await finalRuns(cluster.services.pool);
    expect(load.acknowledged.filter((id) => !finals.has(id))).toEqual([]);
    expect(new Set(load.acknowledged).size).toBe(load.acknowledged.length);
    const { rows } = await cluster.services.pool.query<{ n: number }>("SELECT count(*)::int AS n FROM run_ops.run");
    expect(rows[0]?.n).toBe(finals.size);
  });
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
