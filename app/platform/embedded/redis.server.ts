/** A real redis-server as a child process, in memory only: what it holds can be rebuilt from Postgres. */
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Redis } from "ioredis";
import { isRunning, logTail, pollUntil, sendSignal, spawnDaemon, stopProcess } from "./processes.server";

const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 4_000;
const CONNECT_TIMEOUT_MS = 1_000;

export type EmbeddedRedisOptions = {
  /** Holds its configuration (mode 0600), pid file and log. */
  home: string;
  port: number;
  password: string;
  /** Number of logical databases. Default 16. */
  databases?: number;
};

export type EmbeddedRedis = {
  pid: number;
  /** Whether a server of an earlier process was taken over. */
  adopted: boolean;
  /** Connection string of a logical database. */
  url(database?: number): string;
  stop(): Promise<void>;
  /** SIGKILL, for tests of what happens then. */
  kill(): Promise<void>;
  /** Fire-and-forget stop for the `exit` event of the process. */
  stopSync(): void;
};

const REDIS_MISSING =
  "redis-server is not installed. Install it (Debian, Ubuntu: sudo apt-get install redis-server; macOS: brew install redis), or set REDIS_URL to a Redis of your own.";

/** Absolute path of redis-server in a PATH-like list of folders; undefined when there is none. */
function findRedisServer(searchPath: string): string | undefined {
  const directories = searchPath.split(path.delimiter);
  return directories.map((directory) => path.join(directory, "redis-server")).find((file) => path.isAbsolute(file) && isExecutable(file));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Starts or adopts the server of `home` and waits until it answers. `searchPath` is the PATH to look for the binary. */
export async function startRedis(options: EmbeddedRedisOptions, searchPath: string): Promise<EmbeddedRedis> {
  mkdirSync(options.home, { recursive: true, mode: 0o700 });
  const survivor = await serverPid(options);
  if (survivor !== undefined) return handle(options, survivor, true);
  const command = findRedisServer(searchPath);
  if (!command) throw new Error(REDIS_MISSING);
  await stopUnresponsive(options);
  const config = path.join(options.home, "redis.conf");
  writeFileSync(config, configuration(options), { mode: 0o600 });
  const logFile = path.join(options.home, "redis.log");
  const child = spawnDaemon({ command, args: [config], logFile });
  const pid = child.pid;
  const gone = () => child.exitCode !== null || child.signalCode !== null || pid === undefined;
  const outcome = await pollUntil(START_TIMEOUT_MS, async () => (gone() ? "gone" : (await serverPid(options)) === pid ? "up" : undefined));
  if (outcome === "up" && pid !== undefined) return handle(options, pid, false);
  if (pid !== undefined && !gone()) await stopProcess(pid, ["SIGTERM"], STOP_TIMEOUT_MS);
  throw new Error(`redis-server did not start on port ${options.port}. Its log ends:\n${logTail(logFile)}`);
}

function configuration(options: EmbeddedRedisOptions): string {
  return [
    "bind 127.0.0.1",
    `port ${options.port}`,
    `requirepass ${options.password}`,
    `dir "${options.home}"`,
    `pidfile "${path.join(options.home, "redis.pid")}"`,
    'save ""',
    "appendonly no",
    "maxmemory-policy noeviction",
    `databases ${options.databases ?? 16}`,
    "daemonize no",
    "loglevel warning",
    "",
  ].join("\n");
}

/** Pid of the server that answers with our password on our port; undefined when none does. */
async function serverPid(options: EmbeddedRedisOptions): Promise<number | undefined> {
  const client = new Redis({
    host: "127.0.0.1",
    port: options.port,
    password: options.password,
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: CONNECT_TIMEOUT_MS,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const pid = /process_id:(\d+)/.exec(await client.info("server"))?.[1];
    return pid === undefined ? undefined : Number(pid);
  } catch {
    return undefined;
  } finally {
    client.disconnect();
  }
}

/** A server of ours that runs but does not answer (stopped, swapped out) would keep the port. */
async function stopUnresponsive(options: EmbeddedRedisOptions): Promise<void> {
  const pid = readPid(path.join(options.home, "redis.pid"));
  if (pid === undefined || !isRunning(pid) || !isRedis(pid)) return;
  await stopProcess(pid, ["SIGTERM"], STOP_TIMEOUT_MS);
}

function readPid(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, "utf8").trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isRedis(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("redis-server");
  } catch {
    return process.platform !== "linux";
  }
}

function handle(options: EmbeddedRedisOptions, pid: number, adopted: boolean): EmbeddedRedis {
  return {
    pid,
    adopted,
    url: (database = 0) => `redis://:${encodeURIComponent(options.password)}@127.0.0.1:${options.port}/${database}`,
    stop: () => stopProcess(pid, ["SIGTERM"], STOP_TIMEOUT_MS),
    kill: async () => {
      sendSignal(pid, "SIGKILL");
      await pollUntil(STOP_TIMEOUT_MS, () => (isRunning(pid) ? undefined : true));
    },
    stopSync: () => sendSignal(pid, "SIGTERM"),
  };
}
