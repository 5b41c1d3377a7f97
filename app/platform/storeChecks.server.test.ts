import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEmptyDatabase, createTestServices, startRedisServer, type PrivateRedis, type TestServices } from "../../test/services";
import { createPool } from "./db.server";
import { createLogger, silentLogger } from "./logger";
import { listMigrations, migrationSets } from "./migrate.server";
import { readiness, setReadinessChecks } from "./readiness.server";
import { createRedis } from "./redis.server";
import { ensureNoEviction, storeChecks } from "./storeChecks.server";

describe("store checks", () => {
  let services: TestServices;
  let own: PrivateRedis;
  const sets = Object.values(migrationSets());

  beforeAll(async () => {
    services = await createTestServices();
    own = await startRedisServer();
  });
  afterAll(async () => {
    await services.close();
    await own.close();
  });

  it("is not ready before the boot has ended", async () => {
    expect(await readiness()).toMatchObject({ ready: false });
  });

  it("is ready on migrated, reachable stores, and says which one is gone", async () => {
    const redis = createRedis({ url: own.url, name: "test", log: silentLogger });
    await redis.ping();
    setReadinessChecks(storeChecks({ pool: services.pool, redis, sets }));
    expect(await readiness()).toEqual({ ready: true, checks: { postgres: "ok", redis: "ok", migrations: "ok" } });
    await own.kill();
    const report = await readiness();
    expect([report.ready, report.checks.postgres, report.checks.redis === "ok"]).toEqual([false, "ok", false]);
    await own.restart();
    redis.disconnect();
  });

  it("is not ready while a migration is missing", async () => {
    const pool = createPool({ url: (await createEmptyDatabase()).databaseUrl, max: 1, name: "test", log: silentLogger });
    setReadinessChecks(storeChecks({ pool, redis: services.redis, sets }));
    const report = await readiness();
    await pool.end();
    const shipped = sets.some((set) => listMigrations(set).length > 0);
    expect(report.ready).toBe(!shipped);
  });

  it("turns an evicting Redis into one that does not evict, and says so", async () => {
    const redis = createRedis({ url: own.url, name: "test", log: silentLogger });
    await redis.config("SET", "maxmemory-policy", "allkeys-lru");
    const lines: string[] = [];
    expect(
      await ensureNoEviction(
        redis,
        createLogger("info", {}, (line) => lines.push(line))
      )
    ).toBe("noeviction");
    expect(lines.join()).toContain("redis.policy_changed");
    expect(await redis.config("GET", "maxmemory-policy")).toContain("noeviction");
    redis.disconnect();
  });
});
