/** The stores that the server runs on: embedded ones where the user gave none. Ports and passwords are made once and kept. */
import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import pg from "pg";
import { z } from "zod";
import type { Logger } from "../logger";
import { startPostgres, type EmbeddedPostgres } from "./postgres.server";
import { freePort } from "./processes.server";
import { startRedis, type EmbeddedRedis } from "./redis.server";

const DATABASE = "sluice";
const STATE_FILE = "stores.json";
const SECRETS_FILE = "secrets.json";
/** 200 connections: three server processes with their pools, migrations, and a person with psql. */
const POSTGRES_SETTINGS = { max_connections: "200", shared_buffers: "128MB", max_wal_size: "2GB" };

const endpointSchema = z.object({ port: z.number().int(), password: z.string().min(1) });
const stateSchema = z.object({ installation: z.string().regex(/^[0-9a-f]+$/), postgres: endpointSchema, redis: endpointSchema }).partial();
type State = z.infer<typeof stateSchema>;
type StoreName = "postgres" | "redis";
type Endpoint = z.infer<typeof endpointSchema>;

export type StoresOptions = {
  /** Absolute path. */
  dataDir: string;
  /** Given: no embedded Postgres. */
  databaseUrl?: string;
  /** Given: no embedded Redis. */
  redisUrl?: string;
  /** The PATH in which redis-server is looked for. */
  searchPath: string;
  log: Logger;
};

export type Stores = {
  databaseUrl: string;
  redisUrl: string;
  /** Stops the embedded ones: Redis first, since Postgres is what must not lose anything. */
  stop(): Promise<void>;
  /** For the `exit` event of the process, when nothing can be awaited any more. */
  stopSync(): void;
};

/** Starts what is missing, or adopts what an earlier, killed server left running. Starts nothing when one of them fails. */
export async function openStores(options: StoresOptions): Promise<Stores> {
  const state = loadState(options.dataDir);
  const running: (EmbeddedPostgres | EmbeddedRedis)[] = [];
  const stop = async () => {
    await Promise.all(running.map((store) => store.stop()));
  };
  try {
    const redis = options.redisUrl ? null : await openRedis(options, state);
    if (redis) running.push(redis);
    const postgres = options.databaseUrl ? null : await openPostgres(options, state);
    if (postgres) running.push(postgres);
    return {
      databaseUrl: options.databaseUrl ?? postgres?.url(DATABASE) ?? "",
      redisUrl: options.redisUrl ?? redis?.url() ?? "",
      stop,
      stopSync: () => running.forEach((store) => store.stopSync()),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function openRedis(options: StoresOptions, state: State): Promise<EmbeddedRedis> {
  const home = path.join(options.dataDir, "redis");
  const redis = await onRememberedPort(options.dataDir, "redis", state, (endpoint) =>
    startRedis({ home, ...endpoint }, options.searchPath)
  );
  options.log.info("store.ready", { store: "redis", pid: redis.pid, adopted: redis.adopted });
  return redis;
}

async function openPostgres(options: StoresOptions, state: State): Promise<EmbeddedPostgres> {
  const { dataDir } = options;
  const installation = installationOf(dataDir, state);
  const postgres = await onRememberedPort(dataDir, "postgres", state, (endpoint) =>
    startPostgres({ dataDir, installation, ...endpoint, settings: POSTGRES_SETTINGS })
  );
  try {
    await createDatabase(postgres.url("postgres"));
  } catch (error) {
    await postgres.stop();
    throw error;
  }
  options.log.info("store.ready", { store: "postgres", pid: postgres.pid, adopted: postgres.adopted, home: postgres.home });
  return postgres;
}

/** Keeps the port and password of the last start; only a port that somebody else took meanwhile is exchanged. */
async function onRememberedPort<T>(dataDir: string, name: StoreName, state: State, start: (endpoint: Endpoint) => Promise<T>): Promise<T> {
  const remembered = state[name] ?? { port: await freePort(), password: newPassword() };
  saveState(dataDir, name, remembered);
  try {
    return await start(remembered);
  } catch (error) {
    if (await canListen(remembered.port)) throw error;
    const moved = { ...remembered, port: await freePort() };
    saveState(dataDir, name, moved);
    return start(moved);
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

async function createDatabase(adminUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  client.on("error", () => undefined);
  await client.connect();
  try {
    const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [DATABASE]);
    if (!rowCount) await client.query(`CREATE DATABASE ${DATABASE}`);
  } finally {
    await client.end();
  }
}

function newPassword(): string {
  return randomBytes(18).toString("hex");
}

/** What is remembered; a folder without memory is a new installation. */
function loadState(dataDir: string): State {
  const parsed = stateSchema.safeParse(readJson(path.join(dataDir, STATE_FILE)) ?? {});
  if (!parsed.success) throw new Error(`${path.join(dataDir, STATE_FILE)} is not what the server wrote: restore it from a copy.`);
  return parsed.data;
}

function installationOf(dataDir: string, state: State): string {
  const installation = state.installation ?? randomBytes(8).toString("hex");
  if (!state.installation) writeJson(path.join(dataDir, STATE_FILE), { ...loadState(dataDir), installation });
  return installation;
}

function saveState(dataDir: string, name: StoreName, endpoint: Endpoint): void {
  writeJson(path.join(dataDir, STATE_FILE), { ...loadState(dataDir), [name]: endpoint });
}

/** Secrets of an embedded installation: those kept in the data directory, or `fresh` ones, which are then kept. */
export function rememberSecrets<T extends Record<string, string>>(dataDir: string, fresh: T): T {
  const file = path.join(dataDir, SECRETS_FILE);
  const kept = z.record(z.string(), z.string()).safeParse(readJson(file));
  const secrets = { ...fresh, ...(kept.success ? kept.data : {}) };
  if (!kept.success || Object.keys(fresh).some((name) => !(name in kept.data))) writeJson(file, secrets);
  return secrets;
}

/** Undefined when there is no such file; a file that is not JSON throws, since replacing secrets would lose data. */
function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Error(`${file} cannot be read: restore it from a copy, or remove it together with the data beside it.`, { cause: error });
  }
}

/** A crash must not leave half a file: written beside, then renamed. */
function writeJson(file: string, value: unknown): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o711 });
  const partial = `${file}.${process.pid}`;
  writeFileSync(partial, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(partial, file);
}
