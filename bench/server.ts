/** The server under test: its own, on a scratch data directory, started as users start it. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, openSync, closeSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { Redis } from "ioredis";
import { z } from "zod";
import { freePort } from "../app/platform/embedded/processes.server";
import { cpuMicroseconds, listeningPid, processTree } from "./processes";

const READY_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_MS = 15_000;
const POLL_MS = 10;
/** The folder of the clone. */
export const ROOT = path.resolve(import.meta.dirname, "..");

const environmentSchema = z.object({ id: z.string(), secretKey: z.string() });
const credentialsSchema = z.object({
  projectRef: z.string(),
  personalAccessToken: z.string(),
  environments: z.object({ dev: environmentSchema, staging: environmentSchema, prod: environmentSchema }),
  loginUrl: z.string(),
});
export type Credentials = z.output<typeof credentialsSchema>;

const endpoint = z.object({ port: z.number(), password: z.string() });
const storesSchema = z.object({ postgres: endpoint, redis: endpoint });
const secretsSchema = z.object({ ENCRYPTION_KEY: z.string() });

/** Where the scratch installation is. `npm start` is run with these variables and nothing else of ours. */
export type Installation = { dataDir: string; port: number; origin: URL; env: Readonly<Record<string, string>> };

/** An installation that does not exist yet. `env`: settings beside those that every one gets. */
export async function newInstallation(env: Readonly<Record<string, string>> = {}): Promise<Installation> {
  const dataDir = mkdtempSync(path.join(os.tmpdir(), "sluice-bench-"));
  const port = await freePort();
  return { dataDir, port, origin: new URL(`http://127.0.0.1:${port}`), env };
}

/** Settings with which another server joins the stores of one that runs; it starts no agent. */
export function joining(installation: Installation): Record<string, string> {
  const { postgres, redis } = readStores(installation);
  return {
    DATABASE_URL: `postgres://sluice:${postgres.password}@127.0.0.1:${postgres.port}/sluice`,
    REDIS_URL: `redis://:${redis.password}@127.0.0.1:${redis.port}`,
    ENCRYPTION_KEY: secretsSchema.parse(readJson(installation, "secrets.json")).ENCRYPTION_KEY,
    LOCAL_AGENT: "off",
  };
}

function readStores(installation: Installation): z.output<typeof storesSchema> {
  return storesSchema.parse(readJson(installation, "stores.json"));
}

function readJson({ dataDir }: Installation, name: string): unknown {
  return JSON.parse(readFileSync(path.join(dataDir, name), "utf8"));
}

/** Removes everything of it; the server must be stopped. */
export function removeInstallation(installation: Installation): void {
  rmSync(installation.dataDir, { recursive: true, force: true });
}

export type RunningServer = {
  pid: number;
  /** From `npm start` to the first 200 of `/readiness`. */
  readyMs: number;
  stop(): Promise<void>;
};

/** `npm start`, awaited until it is ready. Throws with the end of its log. */
export async function startServer(installation: Installation): Promise<RunningServer> {
  const logFile = path.join(installation.dataDir, "bench-server.log");
  const begun = performance.now();
  const child = launch(installation, logFile);
  const gone = new Promise<"gone">((resolve) => child.once("close", () => resolve("gone")));
  const outcome = await Promise.race([untilReady(installation), gone]);
  const readyMs = performance.now() - begun;
  const pid = listeningPid(installation.port);
  if (outcome === "gone" || pid === undefined) {
    killGroup(child);
    throw new Error(`The server did not become ready. Its log ends:\n${readFileSync(logFile, "utf8").slice(-3_000)}`);
  }
  return { pid, readyMs, stop: () => stopServer(pid, child, gone) };
}

function launch(installation: Installation, logFile: string): ChildProcess {
  const log = openSync(logFile, "a");
  const { DATABASE_URL: _database, REDIS_URL: _redis, ...inherited } = process.env;
  try {
    return spawn("npm", ["start", "--silent"], {
      cwd: ROOT,
      detached: true,
      stdio: ["ignore", log, log],
      env: {
        ...inherited,
        NODE_ENV: "production",
        PORT: String(installation.port),
        PUBLIC_URL: installation.origin.origin,
        SLUICE_DATA_DIR: installation.dataDir,
        LOG_LEVEL: "warn",
        ...installation.env,
      },
    });
  } finally {
    closeSync(log);
  }
}

/** The server's own pid: npm does not always hand signals on. Stopping twice is once. */
async function stopServer(pid: number, child: ChildProcess, gone: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  process.kill(pid, "SIGTERM");
  const timer = setTimeout(() => killGroup(child), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(timer);
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== "ESRCH") throw error;
  }
}

async function untilReady({ origin }: Installation): Promise<"ready"> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const status = await fetch(new URL("/readiness", origin)).then(
      (response) => response.status,
      () => 0
    );
    if (status === 200) return "ready";
    await delay(POLL_MS);
  }
  throw new Error(`The server was not ready after ${READY_TIMEOUT_MS / 1_000} s.`);
}

/** What the first start wrote for its user. */
export function readCredentials(installation: Installation): Credentials {
  return credentialsSchema.parse(readJson(installation, "credentials.json"));
}

/** A look at the stores beside the server's own connections, and the processes behind them. */
export class Stores {
  readonly #sql: pg.Client;
  readonly #redis: Redis;
  readonly #postgresPort: number;

  private constructor(sql: pg.Client, redis: Redis, postgresPort: number) {
    this.#sql = sql;
    this.#redis = redis;
    this.#postgresPort = postgresPort;
  }

  static async connect(installation: Installation): Promise<Stores> {
    const { postgres, redis } = readStores(installation);
    const sql = new pg.Client({ host: "127.0.0.1", port: postgres.port, user: "sluice", password: postgres.password, database: "sluice" });
    sql.on("error", () => undefined);
    await sql.connect();
    const client = new Redis({ host: "127.0.0.1", port: redis.port, password: redis.password, lazyConnect: true });
    client.on("error", () => undefined);
    await client.connect();
    return new Stores(sql, client, postgres.port);
  }

  async close(): Promise<void> {
    await this.#sql.end();
    this.#redis.disconnect();
  }

  /** Runs that exist, are unfinished, and are finished. */
  async counts(): Promise<{ runs: number; live: number; finished: number }> {
    const { rows } = await this.#sql.query<{ runs: number; live: number; finished: number }>(
      "SELECT (SELECT count(*)::int FROM run_ops.run) AS runs, (SELECT count(*)::int FROM run_ops.run_live) AS live, (SELECT count(*)::int FROM run_ops.run_result) AS finished"
    );
    return rows[0] ?? { runs: 0, live: 0, finished: 0 };
  }

  /** Postgres settings that decide what durable costs. */
  async settings(): Promise<string> {
    const names = ["server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers"];
    const settings: string[] = [];
    for (const name of names)
      settings.push(`${name}=${(await this.#sql.query<Record<string, string>>(`SHOW ${name}`)).rows[0]?.[name] ?? "?"}`);
    return settings.join(", ");
  }

  /** Transactions that Postgres has committed or rolled back in the server's database. */
  async transactions(): Promise<number> {
    const { rows } = await this.#sql.query<{ n: number }>(
      "SELECT (xact_commit + xact_rollback)::float8 AS n FROM pg_stat_database WHERE datname = current_database()"
    );
    return rows[0]?.n ?? Number.NaN;
  }

  async redisCommands(): Promise<number> {
    return Number(/total_commands_processed:(\d+)/.exec(await this.#redis.info("stats"))?.[1]);
  }

  /** CPU time in microseconds of the server, Postgres with all its backends, and Redis, since they started. */
  async cpu(serverPid: number): Promise<CpuTimes> {
    const redisPid = Number(/process_id:(\d+)/.exec(await this.#redis.info("server"))?.[1]);
    const postmaster = listeningPid(this.#postgresPort);
    const backends = postmaster === undefined ? [] : processTree(postmaster);
    return {
      server: cpuMicroseconds(serverPid),
      postgres: backends.reduce((sum, pid) => sum + cpuMicroseconds(pid), 0),
      redis: cpuMicroseconds(redisPid),
    };
  }
}

export type CpuTimes = { server: number; postgres: number; redis: number };

/** `(after − before) / count`, per kind. */
export function cpuPer(count: number, before: CpuTimes, after: CpuTimes): CpuTimes {
  return {
    server: (after.server - before.server) / count,
    postgres: (after.postgres - before.postgres) / count,
    redis: (after.redis - before.redis) / count,
  };
}
