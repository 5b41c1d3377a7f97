/** A real Postgres server as a child process: created on first use, adopted when it outlived the process that started it. */
import { execFile } from "node:child_process";
import { chownSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { errorMessage } from "../logger";
import { clusterHome, locatePostgres, ownDirectory, postgresUser, type SystemUser } from "./binaries.server";
import { isRunning, logTail, pollUntil, sendSignal, spawnDaemon, stopProcess } from "./processes.server";

const USER = "sluice";
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 8_000;
const CONNECT_TIMEOUT_MS = 2_000;
const START_ATTEMPTS = 3;
/** SQLSTATE invalid_password. */
const WRONG_PASSWORD = "28P01";

export type EmbeddedPostgresOptions = {
  /** The installation's data directory; the cluster lives in it (or beside it, see `home`). */
  dataDir: string;
  /** Name of the installation, unique on this machine; letters and digits. */
  installation: string;
  port: number;
  password: string;
  /** Server settings, for example `{ fsync: "off" }`. */
  settings?: Readonly<Record<string, string>>;
};

export type EmbeddedPostgres = {
  pid: number;
  /** Where the cluster is; differs from the data directory when root's home is closed to user `postgres`. */
  home: string;
  /** Whether a server of an earlier process was taken over. */
  adopted: boolean;
  /** Connection string of one of its databases. */
  url(database: string): string;
  /** Checkpoint and exit; connections are closed by the server. */
  stop(): Promise<void>;
  /** Exit at once, as a crash would; for tests and throw-away clusters. */
  stopImmediately(): Promise<void>;
  /** Fire-and-forget stop for the `exit` event of the process. */
  stopSync(): void;
};

type Cluster = EmbeddedPostgresOptions & { home: string; data: string; logFile: string; user: SystemUser | undefined };

/** Starts or adopts the cluster of a data directory and waits until it answers. Throws with the tail of its log. */
export async function startPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const user = postgresUser();
  const home = clusterHome(options.dataDir, options.installation, user);
  const cluster: Cluster = { ...options, home, data: path.join(home, "data"), logFile: path.join(home, "postgres.log"), user };
  const survivor = runningPostmaster(cluster);
  if (survivor !== undefined) {
    if (await answers(cluster)) return handle(cluster, survivor, true);
    await stopProcess(survivor, ["SIGINT", "SIGQUIT"], STOP_TIMEOUT_MS);
  }
  const binaries = locatePostgres(user);
  ownDirectory(home, user);
  if (!existsSync(path.join(cluster.data, "PG_VERSION"))) await initialise(cluster, binaries.initdb);
  return handle(cluster, await launch(cluster, binaries.postgres), false);
}

async function initialise(cluster: Cluster, initdb: string): Promise<void> {
  rmSync(cluster.data, { recursive: true, force: true });
  const passwordFile = path.join(cluster.home, "initial-password");
  writeFileSync(passwordFile, cluster.password, { mode: 0o600 });
  if (cluster.user) chownSync(passwordFile, cluster.user.uid, cluster.user.gid);
  const args = [`--pgdata=${cluster.data}`, `--username=${USER}`, `--pwfile=${passwordFile}`, "--auth=scram-sha-256", "--encoding=UTF8"];
  const locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-sync"];
  try {
    await promisify(execFile)(initdb, [...args, ...locale], { cwd: "/", env: childEnvironment(), ...cluster.user });
  } catch (error) {
    rmSync(cluster.data, { recursive: true, force: true });
    throw new Error(`Postgres could not create its data directory ${cluster.data}: ${errorMessage(error)}`, { cause: error });
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

/** The inherited environment would let PGDATA, PGPORT and the like of the user change what the server does. */
function childEnvironment(): NodeJS.ProcessEnv {
  const environment: Record<string, string> = { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
  return environment as NodeJS.ProcessEnv;
}

async function launch(cluster: Cluster, postgres: string): Promise<number> {
  const settings = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    log_min_messages: "warning",
    ...cluster.settings,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  for (let attempt = 1; ; attempt++) {
    const child = spawnDaemon({
      command: postgres,
      args: ["-D", cluster.data, "-p", String(cluster.port), ...flags],
      logFile: cluster.logFile,
      env: childEnvironment(),
      ...(cluster.user ? { user: cluster.user } : {}),
    });
    const pid = child.pid;
    const gone = () => child.exitCode !== null || child.signalCode !== null || pid === undefined;
    const outcome = await waitUntilUp(cluster, gone).catch(async (error: unknown) => {
      if (pid !== undefined) await stopProcess(pid, ["SIGINT", "SIGQUIT"], STOP_TIMEOUT_MS);
      throw error;
    });
    if (outcome === "up" && pid !== undefined && !gone()) return pid;
    if (pid !== undefined && !gone()) await stopProcess(pid, ["SIGINT", "SIGQUIT"], STOP_TIMEOUT_MS);
    // Right after a crash, shared memory of the dead server may linger for a moment.
    if (outcome === "gone" && attempt < START_ATTEMPTS && (await pollUntil(500, () => undefined)) === undefined) continue;
    throw new Error(`Postgres did not start on port ${cluster.port} with ${cluster.data}. Its log ends:\n${logTail(cluster.logFile)}`);
  }
}

function waitUntilUp(cluster: Cluster, gone: () => boolean): Promise<"gone" | "up" | undefined> {
  return pollUntil(START_TIMEOUT_MS, async () => (gone() ? "gone" : (await answers(cluster)) ? "up" : undefined));
}

/** Pid of a server that already runs on this cluster, from its own pid file. */
function runningPostmaster(cluster: Cluster): number | undefined {
  const file = path.join(cluster.data, "postmaster.pid");
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, "utf8").split("\n")[0]);
  return Number.isInteger(pid) && pid > 0 && isRunning(pid) && isPostgres(pid) ? pid : undefined;
}

/** A pid file that outlived a reboot may name an unrelated process, which must not be signalled. */
function isPostgres(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("postgres");
  } catch {
    return process.platform !== "linux";
  }
}

/** Whether our cluster answers on our port. Throws when it refuses our password: waiting would not help. */
async function answers(cluster: Cluster): Promise<boolean> {
  const client = new pg.Client({
    host: "127.0.0.1",
    port: cluster.port,
    user: USER,
    password: cluster.password,
    database: "postgres",
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ data_directory: string }>("SHOW data_directory");
    return rows[0]?.data_directory === cluster.data;
  } catch (error) {
    if ((error as { code?: string }).code === WRONG_PASSWORD) throw new Error(foreignCluster(cluster), { cause: error });
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

function foreignCluster(cluster: Cluster): string {
  return (
    `Postgres on port ${cluster.port} refuses the password kept in ${path.join(cluster.dataDir, "stores.json")}. ` +
    `Restore that file from a copy, or, to begin anew without the data in it, remove ${cluster.home}.`
  );
}

function handle(cluster: Cluster, pid: number, adopted: boolean): EmbeddedPostgres {
  return {
    pid,
    home: cluster.home,
    adopted,
    url: (database) => `postgres://${USER}:${encodeURIComponent(cluster.password)}@127.0.0.1:${cluster.port}/${database}`,
    stop: () => stopProcess(pid, ["SIGINT", "SIGQUIT"], STOP_TIMEOUT_MS),
    stopImmediately: () => stopProcess(pid, ["SIGQUIT"], STOP_TIMEOUT_MS),
    stopSync: () => sendSignal(pid, "SIGINT"),
  };
}
