/** Servers that share stores, with load and workers that speak HTTP as the SDK and the CLI do. */
import { createEnvironments } from "../../../app/environments/environments.server";
import { systemClock } from "../../../app/platform/clock";
import { createRedis, type Redis } from "../../../app/platform/redis.server";
import { silentLogger } from "../../../app/platform/logger";
import { createTestServices, type PrivateRedis, startRedisServer, type TestServices } from "../../services";
import { liveCount } from "./history";
import { TriggerLoad } from "./load";
import { eventually } from "./processes";
import { SimulatedWorker } from "./simulatedWorker";
import { SHARED_KEY, type Sluice, startSluice } from "./sluice";

/** Servers on stores of this test's own. */
export class Cluster {
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
