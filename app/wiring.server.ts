/** Composition root: the only place that builds clients, services and loops, and hands them to routes. */
import type { Server } from "node:http";
import path from "node:path";
import { createAuth, type Auth } from "./auth/auth.server";
import type { AgentAuthenticator, BuildAuthenticator } from "./auth/types";
import { BootstrapService } from "./auth/bootstrap.server";
import type { Env } from "./env.server";
import { createEngine, limitsSource, type Engine } from "./engine/engine.server";
import { engineOptions } from "./engine/env";
import { machinePreset } from "./engine/dequeue/machines";
import { createQueueIndex, type QueueIndexDriver } from "./engine/queueIndex/queueIndex.server";
import type { QueueIndex } from "./engine/queueIndex/queueIndex";
import { createRecovery, type Recovery } from "./engine/recovery/recovery.server";
import { createDeployments, type Deployments } from "./deployments/deployments.server";
import { createBuildAccess } from "./deployments/build/buildAccess.server";
import { createAgentAccess } from "./deployments/regions/agentAccess.server";
import { ensureAgentFile } from "./deployments/regions/agentFile.server";
import { createDeployedVersions } from "./deployments/regions/deployedVersions.server";
import { createRegions, type Regions } from "./deployments/regions/regions.server";
import type { DeployedVersions } from "./engine/versions/deployedVersions";
import { createEnvironments, type Environments } from "./environments/environments.server";
import { systemClock, type Clock } from "./platform/clock";
import { createPool, type Pool } from "./platform/db.server";
import type { Logger } from "./platform/logger";
import { migrationSets } from "./platform/migrate.server";
import { setReadinessChecks } from "./platform/readiness.server";
import { endEventStreams } from "./platform/sse.server";
import { createRedis, type Redis } from "./platform/redis.server";
import { ensureNoEviction, storeChecks } from "./platform/storeChecks.server";
import { createRunOps, type RunOps } from "./runops/runops.server";
import type { RunStore } from "./runops/runStore";
import { createRuns, type Runs } from "./runs/runs.server";
import { createTelemetry, type Telemetry } from "./telemetry/telemetry.server";
import { welcomeLines } from "./welcome.server";

/** What routes and presenters reach. */
export type App = {
  config: { origin: string; version: string };
  log: Logger;
  clock: Clock;
  auth: Auth;
  environments: Environments;
  store: RunStore;
  index: QueueIndex;
  engine: Engine;
  runs: Runs;
  telemetry: Telemetry;
  deployments: Deployments;
  /** Who an agent is, by its token. */
  agents: AgentAuthenticator;
  buildAccess: BuildAuthenticator;
  regions: Regions;
};

/** What `startApp` builds the application from. */
export type StartOptions = {
  /** Parsed settings; `DATABASE_URL` and `REDIS_URL` are those of the stores that run, embedded or not. Migrations are applied. */
  env: Env & { DATABASE_URL: string; REDIS_URL: string };
  log: Logger;
  /** Not listening yet: socket.io attaches to it. */
  server: Server;
};

/** `startApp(options: StartOptions): Promise<StartedApp>` is what `app/boot.server.ts` calls. */
export type StartedApp = {
  app: App;
  /** After the server listens: lines for the person at the terminal (address, login link, key, first task). */
  welcome(port: number): Promise<readonly string[]>;
  /** Writes `agent.json` for an agent on this machine, which reaches the server at `url`; the path. */
  agentFile(url: string): Promise<string>;
  /** Ends held answers (dequeue polls, event streams, sockets), so that their connections close. New ones are refused. */
  drain(): Promise<void>;
  /** Finishes groups under way, stops loops, closes pools. After `drain` and after the last request has ended. */
  stop(): Promise<void>;
};

const VERSION = "0.1.0";
const DAY_MS = 86_400_000;

type Connections = { pool: Pool; redis: Redis; subscriber: Redis };
type Parts = Connections & { app: App; runOps: RunOps; index: QueueIndexDriver; recovery: Recovery; bootstrap: BootstrapService };

/** Builds the application, applies first start, and begins its loops. Throws with everything stopped again when a part does not start. */
export async function startApp(options: StartOptions): Promise<StartedApp> {
  const parts = build(options);
  const { app, pool, redis } = parts;
  try {
    setReadinessChecks(storeChecks({ pool, redis, sets: Object.values(migrationSets()) }));
    await app.environments.start();
    const first = await parts.bootstrap.call();
    await ensureNoEviction(redis, options.log);
    await parts.runOps.start();
    await parts.index.start();
    await app.telemetry.start();
    await app.deployments.start();
    app.regions.start();
    app.engine.attach(options.server);
    await parts.recovery.start();
    await app.engine.start();
    await parts.recovery.ensureReady();
    return {
      app,
      welcome: (port) => Promise.resolve(welcomeLines({ ...first, origin: app.config.origin, port, dataDir: options.env.SLUICE_DATA_DIR })),
      agentFile: async (url) => {
        const file = path.join(options.env.SLUICE_DATA_DIR, "agent.json");
        await ensureAgentFile({ pool: parts.pool, clock: app.clock, file, url });
        return file;
      },
      drain: () => {
        endEventStreams();
        app.deployments.drain();
        app.regions.drain();
        return app.engine.drain();
      },
      stop: () => stop(parts),
    };
  } catch (error) {
    await stop(parts);
    throw error;
  }
}

type Settings = StartOptions["env"];
type Context = { env: Settings; log: Logger; clock: Clock; origin: string };

function build({ env, log }: StartOptions): Parts {
  const clock = systemClock;
  const origin = env.PUBLIC_URL ?? `http://localhost:${env.PORT}`;
  const context: Context = { env, log, clock, origin };
  const connections = connect(env, log);
  const { environments, auth, bootstrap } = buildControlPlane(context, connections.pool);
  const runOps = buildRunOps(context);
  const telemetry = buildTelemetry(context, environments, runOps.store);
  const { pool } = connections;
  const agents = createAgentAccess({ pool, clock });
  const deployed = createDeployedVersions({ pool, clock });
  const engineParts = { environments, auth, telemetry, store: runOps.store, agents, deployed };
  const { engine, index, recovery } = buildEngine(context, connections, engineParts);
  const deployments = buildDeployments(context, pool, { environments, engine, store: runOps.store });
  const runs = buildRuns(context, { environments, engine, index, store: runOps.store, deployed });
  const app: App = {
    config: { origin, version: VERSION },
    log,
    clock,
    auth,
    environments,
    store: runOps.store,
    index,
    engine,
    runs,
    telemetry,
    deployments,
    agents,
    buildAccess: createBuildAccess({ pool, directory: environments.directory }),
    regions: buildRegions(context, pool, { environments, telemetry, engine, deployments }),
  };
  return { ...connections, app, runOps, index, recovery, bootstrap };
}

function buildControlPlane({ env, log, clock, origin }: Context, pool: Pool) {
  const environments = createEnvironments({
    pool,
    directDatabaseUrl: env.DIRECT_DATABASE_URL ?? env.DATABASE_URL,
    encryptionKey: env.ENCRYPTION_KEY,
    defaultConcurrency: env.DEFAULT_ENVIRONMENT_CONCURRENCY,
    clock,
    log,
  });
  const { directory, prisma } = environments;
  const auth = createAuth({
    ...{ pool, prisma, directory, clock, log, origin },
    sessionDays: env.SESSION_DAYS,
    loginAttempts: env.LOGIN_ATTEMPTS,
    clientAddressHeader: env.CLIENT_ADDRESS_HEADER,
  });
  const bootstrap = new BootstrapService({
    ...{ pool, environments, auth, clock },
    apiUrl: origin,
    adminEmail: env.ADMIN_EMAIL,
    adminPassword: env.ADMIN_PASSWORD ?? null,
    credentialsPath: path.join(env.SLUICE_DATA_DIR, "credentials.json"),
  });
  return { environments, auth, bootstrap };
}

function buildRunOps({ env, log, clock }: Context): RunOps {
  return createRunOps({
    databaseUrl: env.DATABASE_URL,
    retentionDays: env.RUN_RETENTION_DAYS,
    partitionDays: env.RUN_PARTITION_DAYS,
    writeConnections: env.RUN_WRITE_CONNECTIONS,
    clock,
    log,
  });
}

function buildTelemetry({ env, log, clock, origin }: Context, { secretBox }: Environments, store: RunStore): Telemetry {
  return createTelemetry({
    ...{ databaseUrl: env.DATABASE_URL, origin, store, clock, log },
    secret: secretBox.derive("otlp").toString("hex"),
    retentionDays: env.TELEMETRY_RETENTION_DAYS,
    queueBytes: env.TELEMETRY_QUEUE_MB * 1024 * 1024,
    maxEventsPerRun: env.TELEMETRY_MAX_EVENTS_PER_RUN,
  });
}

type EngineParts = {
  environments: Environments;
  auth: Auth;
  telemetry: Telemetry;
  store: RunStore;
  agents: AgentAuthenticator;
  deployed: DeployedVersions;
};

function buildEngine({ env, log, clock, origin }: Context, { redis, subscriber }: Connections, parts: EngineParts) {
  const { environments, auth, telemetry, store, agents, deployed } = parts;
  const { directory, changes } = environments;
  const index = createQueueIndex({ redis, limits: limitsSource(directory), clock, log });
  const timing = engineOptions(env);
  const engine = createEngine({
    ...{ store, index, directory, changes, auth, agents, deployed, redis, subscriber, clock, log, origin },
    workers: environments,
    otlpEndpoint: (target) => telemetry.otlpEndpoint(target),
    options: timing,
  });
  const recovery = createRecovery({
    ...{ index, store, clock, log },
    onOverdue: (runIds) => engine.onOverdue(runIds),
    timeouts: { pendingExecutingMs: timing.startTimeoutMs, executingMs: timing.heartbeatTimeoutMs },
  });
  return { engine, index, recovery };
}

type DeploymentsParts = { environments: Environments; engine: Engine; store: RunStore };

function buildDeployments(
  { env, log, clock, origin }: Context,
  pool: Pool,
  { environments, engine, store }: DeploymentsParts
): Deployments {
  return createDeployments({
    ...{ pool, environments, clock, log, origin },
    directDatabaseUrl: env.DIRECT_DATABASE_URL ?? env.DATABASE_URL,
    dataDir: env.SLUICE_DATA_DIR,
    holdSegmentMs: env.HOLD_SEGMENT_MS,
    deployerLeaseMs: env.DEPLOYER_LEASE_MS,
    releaseStoreUrl: env.RELEASE_STORE_URL ?? null,
    runs: {
      versionsInUse: (versionIds, since) => store.versionsInUse(versionIds, since),
      releaseWaitingRuns: (envId) => engine.promotePendingVersions(envId),
    },
  });
}

type RegionsParts = { environments: Environments; telemetry: Telemetry; engine: Engine; deployments: Deployments };

function buildRegions({ log, clock }: Context, pool: Pool, { environments, telemetry, engine, deployments }: RegionsParts): Regions {
  return createRegions({
    ...{ pool, clock, log },
    feed: deployments.feed,
    workflow: deployments.workflow,
    directory: environments.directory,
    machine: machinePreset(null),
    otlpEndpoint: (target) => telemetry.otlpEndpoint(target),
    moveQueuedRuns: (move) => engine.moveQueuedRuns(move),
  });
}

type RunsParts = { environments: Environments; engine: Engine; index: QueueIndex; store: RunStore; deployed: DeployedVersions };

function buildRuns({ env, log, clock, origin }: Context, { environments, engine, index, store, deployed }: RunsParts): Runs {
  return createRuns({
    ...{ store, directory: environments.directory, engine, index, deployed, clock, log },
    packets: {
      directory: path.join(env.SLUICE_DATA_DIR, "packets"),
      secret: environments.secretBox.derive("packets").toString("hex"),
      origin,
      urlTtlSeconds: env.PACKET_URL_TTL_SECONDS,
      maxBytes: env.PACKET_MAX_BYTES,
    },
    limits: {
      maximumDevQueueSize: env.MAXIMUM_DEV_QUEUE_SIZE,
      maximumDeployedQueueSize: env.MAXIMUM_DEPLOYED_QUEUE_SIZE,
      devDefaultTtlSeconds: env.DEV_RUN_TTL_SECONDS,
      runRetentionMs: env.RUN_RETENTION_DAYS * DAY_MS,
    },
  });
}

function connect(env: StartOptions["env"], log: Logger): Connections {
  return {
    pool: createPool({ url: env.DATABASE_URL, max: env.DATABASE_POOL_SIZE, name: "sluice-control", log }),
    redis: createRedis({ url: env.REDIS_URL, name: "sluice", log }),
    subscriber: createRedis({ url: env.REDIS_URL, name: "sluice-subscriber", log }),
  };
}

async function stop({ app, runOps, index, recovery, pool, redis, subscriber }: Parts): Promise<void> {
  await app.regions.stop();
  await app.deployments.stop();
  await app.engine.stop();
  await recovery.stop();
  await index.stop();
  await runOps.stop();
  await app.telemetry.stop();
  await app.environments.stop();
  redis.disconnect();
  subscriber.disconnect();
  await pool.end();
}

const KEY = Symbol.for("sluice.app");
type Holder = { [KEY]?: App };

/** The application of this process. Throws before `setApp`: a route must not run before the boot has ended. */
export function getApp(): App {
  const app = (globalThis as Holder)[KEY];
  if (!app) throw new Error("The application is not wired yet.");
  return app;
}

/** Called once at boot, and by tests that drive routes directly. */
export function setApp(app: App): void {
  (globalThis as Holder)[KEY] = app;
}
