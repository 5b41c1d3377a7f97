/**
 * Stores for a test run: containers when Docker answers, else the embedded services in a temporary folder. One template
 * database is migrated once; every test file clones it.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import os from "node:os";
import path from "node:path";
import { DBOS } from "@dbos-inc/dbos-sdk";
import pg from "pg";
import type { TestProject } from "vitest/node";
import { DBOS_NAMES } from "../app/deployments/workflow/engine/dbosNames";
import { freePort, isRunning, sendSignal } from "../app/platform/embedded/processes.server";
import { startPostgres } from "../app/platform/embedded/postgres.server";
import { startRedis } from "../app/platform/embedded/redis.server";
import { silentLogger } from "../app/platform/logger";
import { applyMigrations, migrationSets } from "../app/platform/migrate.server";

const TEMPLATE = "sluice_template";
const REDIS_DATABASES = 2048;
const TEMP_PREFIX = "sluice-test-";
const DOCKER_SOCKET = "/var/run/docker.sock";
const POSTGRES_SETTINGS = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  max_connections: "300",
  shared_buffers: "64MB",
  log_min_messages: "fatal",
};

export type TestStores = { adminUrl: string; template: string; redisUrl: string; redisDatabases: number };

declare module "vitest" {
  export interface ProvidedContext {
    stores: TestStores;
  }
}

type Started = { adminUrl: string; redisUrl: string; stop(): Promise<void> };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started = (await dockerAnswers()) ? await startContainers() : await startEmbedded();
  try {
    await createTemplate(started.adminUrl);
  } catch (error) {
    await started.stop();
    throw error;
  }
  project.provide("stores", {
    adminUrl: started.adminUrl,
    template: TEMPLATE,
    redisUrl: started.redisUrl,
    redisDatabases: REDIS_DATABASES,
  });
  return () => started.stop();
}

function dockerAnswers(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(DOCKER_SOCKET);
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => end(false));
    socket.once("error", () => end(false));
    socket.once("connect", () => socket.write("GET /_ping HTTP/1.0\r\n\r\n"));
    socket.once("data", (chunk) => end(chunk.toString().includes("200 OK")));
  });
}

async function startContainers(): Promise<Started> {
  const [{ PostgreSqlContainer }, { RedisContainer }] = await Promise.all([
    import("@testcontainers/postgresql"),
    import("@testcontainers/redis"),
  ]);
  const flags = Object.entries(POSTGRES_SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const [postgres, redis] = await Promise.all([
    new PostgreSqlContainer("postgres:18-alpine").withCommand(["postgres", ...flags]).start(),
    new RedisContainer("redis:7-alpine").withCommand(["redis-server", "--databases", String(REDIS_DATABASES), "--save", ""]).start(),
  ]);
  return {
    adminUrl: postgres.getConnectionUri(),
    redisUrl: redis.getConnectionUrl(),
    stop: async () => {
      await Promise.all([postgres.stop(), redis.stop()]);
    },
  };
}

async function startEmbedded(): Promise<Started> {
  sweepAbandoned();
  const directory = mkdtempSync(path.join(os.tmpdir(), TEMP_PREFIX));
  chmodSync(directory, 0o711);
  writeFileSync(path.join(directory, "owner.pid"), String(process.pid));
  const password = () => randomBytes(12).toString("hex");
  const [postgres, redis] = await Promise.all([
    startPostgres({
      dataDir: directory,
      installation: path.basename(directory),
      port: await freePort(),
      password: password(),
      settings: POSTGRES_SETTINGS,
    }),
    startRedis(
      { home: path.join(directory, "redis"), port: await freePort(), password: password(), databases: REDIS_DATABASES },
      process.env.PATH ?? ""
    ),
  ]);
  const stopSync = () => {
    postgres.stopSync();
    redis.stopSync();
  };
  process.once("exit", stopSync);
  return {
    adminUrl: postgres.url("postgres"),
    redisUrl: redis.url(),
    stop: async () => {
      process.off("exit", stopSync);
      await Promise.all([postgres.stopImmediately(), redis.stop()]);
      rmSync(postgres.home, { recursive: true, force: true });
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Ends and removes what a killed test run left behind. */
function sweepAbandoned(): void {
  for (const name of readdirSync(os.tmpdir())) {
    if (!name.startsWith(TEMP_PREFIX)) continue;
    const directory = path.join(os.tmpdir(), name);
    const owner = readPid(path.join(directory, "owner.pid"));
    if (owner === undefined || isRunning(owner)) continue;
    for (const file of ["postgres/data/postmaster.pid", "redis/redis.pid"]) {
      const pid = readPid(path.join(directory, file));
      if (pid !== undefined && isRunning(pid)) sendSignal(pid, "SIGKILL");
    }
    rmSync(directory, { recursive: true, force: true });
  }
}

function readPid(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, "utf8").split("\n")[0]);
  return Number.isInteger(pid) && pid > 1 ? pid : undefined;
}

async function createTemplate(adminUrl: string): Promise<void> {
  const admin = new pg.Client({ connectionString: adminUrl });
  admin.on("error", () => undefined);
  await admin.connect();
  try {
    await admin.query(`CREATE DATABASE ${TEMPLATE}`);
    const url = new URL(adminUrl);
    url.pathname = `/${TEMPLATE}`;
    const sets = migrationSets();
    await applyMigrations(url.href, sets.controlPlane, silentLogger);
    await applyMigrations(url.href, sets.runOps, silentLogger);
    await DBOS.migrate(url.href, { schemaName: DBOS_NAMES.schema });
    // A template that nobody can enter is never "being accessed by other users" when it is cloned.
    await admin.query(`ALTER DATABASE ${TEMPLATE} WITH ALLOW_CONNECTIONS false IS_TEMPLATE true`);
    await admin.query("CREATE SEQUENCE clone_number");
  } finally {
    await admin.end();
  }
}
