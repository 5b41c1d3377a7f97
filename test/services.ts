/** Real stores for one test file: a database with both schemas migrated, and an empty Redis logical database. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import pg from "pg";
import { inject } from "vitest";
import { createPool, type Pool } from "../app/platform/db.server";
import { freePort } from "../app/platform/embedded/processes.server";
import { startRedis, type EmbeddedRedis } from "../app/platform/embedded/redis.server";
import { silentLogger, type Logger } from "../app/platform/logger";
import { createRedis, type Redis } from "../app/platform/redis.server";

export type TestServices = {
  /** Of this file's own database. */
  databaseUrl: string;
  pool: Pool;
  /** Of this file's own logical database; FLUSHDB is safe, FLUSHALL hurts other files: use `startRedisServer`. */
  redisUrl: string;
  redis: Redis;
  log: Logger;
  /** Ends the connections and drops the database. */
  close(): Promise<void>;
};

const POOL_SIZE = 12;

/** Call in `beforeAll`, and `close()` in `afterAll`. */
export async function createTestServices(): Promise<TestServices> {
  const stores = inject("stores");
  const { databaseUrl, name, number } = await cloneDatabase(stores.adminUrl, stores.template);
  const redisUrl = new URL(stores.redisUrl);
  // Database 0 stays empty, so a client that forgot to choose one is noticed.
  redisUrl.pathname = `/${1 + ((number - 1) % (stores.redisDatabases - 1))}`;
  const pool = createPool({ url: databaseUrl, max: POOL_SIZE, name: "test", log: silentLogger });
  const redis = createRedis({ url: redisUrl.href, name: "test", log: silentLogger });
  await redis.flushdb();
  return {
    databaseUrl,
    pool,
    redisUrl: redisUrl.href,
    redis,
    log: silentLogger,
    close: async () => {
      await pool.end();
      await redis.flushdb();
      await redis.quit();
      await withAdmin(stores.adminUrl, (admin) => admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },
  };
}

/** Another database with both schemas migrated, for tests of several databases. Dropped with the test run. */
export async function createTestDatabase(): Promise<{ databaseUrl: string }> {
  const stores = inject("stores");
  const { databaseUrl } = await cloneDatabase(stores.adminUrl, stores.template);
  return { databaseUrl };
}

/** A database without any table, for tests of migrations. */
export async function createEmptyDatabase(): Promise<{ databaseUrl: string }> {
  const stores = inject("stores");
  const { databaseUrl } = await cloneDatabase(stores.adminUrl, "template0");
  return { databaseUrl };
}

async function cloneDatabase(adminUrl: string, template: string): Promise<{ databaseUrl: string; name: string; number: number }> {
  return withAdmin(adminUrl, async (admin) => {
    const { rows } = await admin.query<{ n: string }>("SELECT nextval('clone_number')::text AS n");
    const number = Number(rows[0]?.n ?? 1);
    const name = `test_${number}`;
    await admin.query(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY file_copy`);
    const url = new URL(adminUrl);
    url.pathname = `/${name}`;
    return { databaseUrl: url.href, name, number };
  });
}

async function withAdmin<T>(adminUrl: string, work: (admin: pg.Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client({ connectionString: adminUrl });
  admin.on("error", () => undefined);
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}

export type PrivateRedis = {
  url: string;
  /** Orderly stop; `restart` brings it back empty on the same port. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Stops it and removes its files; call in `afterAll`. */
  close(): Promise<void>;
};

/** A redis-server of this test's own, which it may flush, kill and restart. */
export async function startRedisServer(): Promise<PrivateRedis> {
  const home = mkdtempSync(path.join(os.tmpdir(), "sluice-redis-"));
  const options = { home, port: await freePort(), password: randomBytes(12).toString("hex") };
  const start = () => startRedis(options, process.env.PATH ?? "");
  let server: EmbeddedRedis = await start();
  const stopSync = () => server.stopSync();
  process.once("exit", stopSync);
  return {
    url: server.url(),
    stop: () => server.stop(),
    kill: () => server.kill(),
    restart: async () => {
      server = await start();
    },
    close: async () => {
      process.off("exit", stopSync);
      await server.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
