/** Start and stop of the process: settings, stores, migrations, the application, HTTP; and the same backwards. */
import path from "node:path";
import { broadcastDevReady, type ServerBuild } from "@remix-run/node";
import { createDispatcher } from "./api/dispatch/router.server";
import { executableSearchPath, generateSecrets, readEnv, withSecrets, type Env, type ParsedEnv } from "./env.server";
import { startLocalAgent, type LocalAgent } from "./localAgent.server";
import { createPages } from "./pages.server";
import { lockDirectory } from "./platform/embedded/lock.server";
import { openStores, rememberSecrets, type Stores } from "./platform/embedded/stores.server";
import { createHttpServer, type HttpServer } from "./platform/httpServer.server";
import { createLogger, type Logger } from "./platform/logger";
import { applyMigrations, migrationSets } from "./platform/migrate.server";
import { StoppedError, StopSignals } from "./stopSignals.server";
import { getApp, setApp, startApp, type StartedApp } from "./wiring.server";

/** Of the 10 s between SIGTERM and exit; the stores get the rest. */
const REQUESTS_GRACE_MS = 4_000;

type Running = { http: HttpServer; started: StartedApp; stores: Stores; agent: LocalAgent | null; release: () => void };

/** Boots and serves until a signal arrives. Throws, with everything that it had started stopped again. A signal on the way ends the process the same way. */
export async function boot(build: ServerBuild): Promise<void> {
  const parsed = readEnv();
  const dataDir = path.resolve(parsed.SLUICE_DATA_DIR);
  const log = createLogger(parsed.LOG_LEVEL);
  const release = lockDirectory(dataDir);
  const signals = new StopSignals(log);
  const undo: (() => void | Promise<void>)[] = [release];
  try {
    const env: Env = {
      ...withSecrets(parsed, parsed.DATABASE_URL ? null : rememberSecrets(dataDir, generateSecrets())),
      SLUICE_DATA_DIR: dataDir,
    };
    const stores = await openStores(storesOptions(parsed, dataDir, log));
    undo.push(() => stores.stop());
    process.once("exit", stores.stopSync);
    signals.throwIfStopping();
    for (const set of Object.values(migrationSets())) await applyMigrations(stores.databaseUrl, set, log);
    signals.throwIfStopping();
    const http = createHttpServer(createListener(build, env, log));
    const started = await startApp({
      env: { ...env, DATABASE_URL: stores.databaseUrl, REDIS_URL: stores.redisUrl },
      log,
      server: http.server,
    });
    undo.push(() => started.stop());
    signals.throwIfStopping();
    setApp(started.app);
    const port = await http.listen(env.PORT, env.HOST);
    log.info("server.ready", { port, host: env.HOST, pid: process.pid });
    await announce(build, started, port);
    const agent = env.LOCAL_AGENT === "on" ? await startAgent(started, env, { port, log }) : null;
    signals.whenStopping(() => stop({ http, started, stores, agent, release }));
  } catch (error) {
    for (const step of undo.reverse()) await step();
    if (!(error instanceof StoppedError)) throw error;
    log.info("server.stopped");
    process.exit(0);
  }
}

function storesOptions(env: ParsedEnv, dataDir: string, log: Logger): Parameters<typeof openStores>[0] {
  return { dataDir, databaseUrl: env.DATABASE_URL, redisUrl: env.REDIS_URL, searchPath: executableSearchPath(), log };
}

function createListener(build: ServerBuild, env: Env, log: Logger): ReturnType<typeof createDispatcher> {
  const pages = createPages(build, {
    root: process.cwd(),
    mode: env.NODE_ENV,
    assertSameOrigin: (sender) => getApp().auth.assertSameOrigin(sender),
  });
  return createDispatcher({ routes: build.routes, log, fallback: (request, response) => void pages(request, response) });
}

const LOOPBACK = "127.0.0.1";

async function startAgent(started: StartedApp, env: Env, { port, log }: { port: number; log: Logger }): Promise<LocalAgent | null> {
  const host = ["0.0.0.0", "::", "localhost"].includes(env.HOST) ? LOOPBACK : env.HOST;
  const file = await started.agentFile(`http://${host.includes(":") ? `[${host}]` : host}:${port}`);
  const entry = path.resolve("build/agent.js");
  return startLocalAgent({
    entry,
    file,
    dataDir: env.SLUICE_DATA_DIR,
    env: { PATH: executableSearchPath(), LOG_LEVEL: env.LOG_LEVEL },
    log,
  });
}

/** Standard output belongs to the person at the terminal; logs go to standard error. */
async function announce(build: ServerBuild, started: StartedApp, port: number): Promise<void> {
  for (const line of await started.welcome(port)) process.stdout.write(`${line}\n`);
  if (build.mode === "development") await broadcastDevReady(build);
}

/** The agent goes while the server can still hear its last report. Held answers are ended first, or they would keep their connections for the whole grace. */
async function stop({ http, started, stores, agent, release }: Running): Promise<void> {
  await agent?.stop();
  const closed = http.close(REQUESTS_GRACE_MS);
  await started.drain();
  await closed;
  await started.stop();
  await stores.stop();
  release();
}
