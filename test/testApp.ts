/** A whole application over a test file's own stores, as `wiring.server.ts` builds it, for tests that call routes directly. */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createAuth } from "../app/auth/auth.server";
import { BootstrapService, type Credentials } from "../app/auth/bootstrap.server";
import { createDeployments } from "../app/deployments/deployments.server";
import type { Workflow } from "../app/deployments/ports";
import { createBuildAccess } from "../app/deployments/build/buildAccess.server";
import { createAgentAccess } from "../app/deployments/regions/agentAccess.server";
import { createDeployedVersions } from "../app/deployments/regions/deployedVersions.server";
import { createRegions } from "../app/deployments/regions/regions.server";
import { createEngine, limitsSource } from "../app/engine/engine.server";
import { machinePreset } from "../app/engine/dequeue/machines";
import { createQueueIndex } from "../app/engine/queueIndex/queueIndex.server";
import { createRecovery } from "../app/engine/recovery/recovery.server";
import { createEnvironments } from "../app/environments/environments.server";
import type { EnvironmentView } from "../app/environments/types";
import { systemClock, type Clock } from "../app/platform/clock";
import { createLogger, type LogFields, type Logger } from "../app/platform/logger";
import { createRedis } from "../app/platform/redis.server";
import { createRunStore } from "../app/runops/resident/resident.server";
import { createRuns } from "../app/runs/runs.server";
import type { RunsLimits } from "../app/runs/types";
import { createTelemetry } from "../app/telemetry/telemetry.server";
import { setApp, type App } from "../app/wiring.server";
import type { TestServices } from "./services";

export const TEST_ORIGIN = "http://sluice.test";

export type TestApp = {
  app: App;
  credentials: Credentials;
  /** Log lines so far, parsed. */
  lines: LogFields[];
  environment(slug: "dev" | "staging" | "prod"): Promise<EnvironmentView>;
  close(): Promise<void>;
};

export type TestAppOptions = {
  clock?: Clock;
  limits?: Partial<RunsLimits>;
  /** Instead of the durable engine, for tests of what starts and signals it. */
  workflow?: Workflow;
  /** Milliseconds that a create call of a deployment is held. */
  holdSegmentMs?: number;
};

const LIMITS: RunsLimits = {
  maximumDevQueueSize: 1_000_000,
  maximumDeployedQueueSize: 1_000_000,
  devDefaultTtlSeconds: 600,
  runRetentionMs: 30 * 86_400_000,
};
/** No test of an application waits for a stall. */
const TIMEOUTS = { pendingExecutingMs: 60_000, executingMs: 300_000 };

/** Builds, bootstraps and starts it, and makes it the application of this process. */
export async function createTestApp(services: TestServices, options: TestAppOptions = {}): Promise<TestApp> {
  const clock = options.clock ?? systemClock;
  const lines: LogFields[] = [];
  const log = createLogger("debug", {}, (line) => void lines.push(JSON.parse(line) as LogFields));
  const directory = await mkdtemp(path.join(os.tmpdir(), "sluice-app-"));
  const parts = build(services, { ...options, clock, log, directory, limits: { ...LIMITS, ...options.limits } });
  const { app } = parts;
  const bootstrap = new BootstrapService({
    pool: services.pool,
    environments: app.environments,
    auth: app.auth,
    clock,
    apiUrl: TEST_ORIGIN,
    adminEmail: "admin@sluice.test",
    adminPassword: "a password of tests",
    credentialsPath: path.join(directory, "credentials.json"),
  });
  const { credentials } = await bootstrap.call();
  await parts.start();
  setApp(app);
  return {
    app,
    credentials,
    lines,
    environment: async (slug) => {
      const view = await app.environments.bySlug(credentials.projectRef, slug, null);
      if (!view) throw new Error(`The bootstrap made no ${slug} environment.`);
      return view;
    },
    close: async () => {
      await parts.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

type BuildOptions = TestAppOptions & { clock: Clock; log: Logger; directory: string; limits: RunsLimits };

function build(services: TestServices, { clock, log, directory, limits, workflow, holdSegmentMs }: BuildOptions) {
  const redis = createRedis({ url: services.redisUrl, name: "test-app", log });
  const subscriber = createRedis({ url: services.redisUrl, name: "test-app-subscriber", log });
  const environments = createEnvironments({
    pool: services.pool,
    directDatabaseUrl: services.databaseUrl,
    encryptionKey: "5f".repeat(31) + "a1",
    defaultConcurrency: 100,
    clock,
    log,
  });
  const auth = createAuth({
    pool: services.pool,
    prisma: environments.prisma,
    directory: environments.directory,
    clock,
    log,
    origin: TEST_ORIGIN,
    sessionDays: 14,
    loginAttempts: 10,
  });
  const store = createRunStore({ url: services.databaseUrl, name: "test-app", clock, log });
  const index = createQueueIndex({ redis, limits: limitsSource(environments.directory), log, clock });
  const telemetry = createTelemetry({
    databaseUrl: services.databaseUrl,
    origin: TEST_ORIGIN,
    secret: "a secret of tests",
    retentionDays: 7,
    queueBytes: 8 * 1024 * 1024,
    maxEventsPerRun: 10_000,
    store,
    clock,
    log,
  });
  const agents = createAgentAccess({ pool: services.pool, clock });
  const deployed = createDeployedVersions({ pool: services.pool, clock });
  const engine = createEngine({
    ...{ agents, deployed },
    ...{ store, index, directory: environments.directory, workers: environments, changes: environments.changes, auth },
    ...{ redis, subscriber, clock, log, origin: TEST_ORIGIN, otlpEndpoint: (env: EnvironmentView) => telemetry.otlpEndpoint(env) },
  });
  const packets = { directory, secret: "another secret", origin: TEST_ORIGIN, urlTtlSeconds: 3_600, maxBytes: 16 * 1024 * 1024 };
  const runs = createRuns({ store, directory: environments.directory, engine, index, deployed, clock, log, packets, limits });
  const recovery = createRecovery({ index, store, clock, log, onOverdue: (ids) => engine.onOverdue(ids), timeouts: TIMEOUTS });
  const deployments = createDeployments({
    ...{ pool: services.pool, environments, clock, log, origin: TEST_ORIGIN },
    directDatabaseUrl: services.databaseUrl,
    dataDir: directory,
    holdSegmentMs: holdSegmentMs ?? 240_000,
    deployerLeaseMs: 15_000,
    workflow,
    runs: {
      versionsInUse: (versionIds, since) => store.versionsInUse(versionIds, since),
      releaseWaitingRuns: (envId) => engine.promotePendingVersions(envId),
    },
  });
  const regions = createRegions({
    ...{ pool: services.pool, clock, log, feed: deployments.feed, directory: environments.directory },
    workflow: deployments.workflow,
    machine: machinePreset(null),
    otlpEndpoint: (env) => telemetry.otlpEndpoint(env),
    moveQueuedRuns: (move) => engine.moveQueuedRuns(move),
  });
  const app: App = {
    config: { origin: TEST_ORIGIN, version: "test" },
    log,
    clock,
    auth,
    environments,
    store,
    index,
    engine,
    runs,
    telemetry,
    deployments,
    agents,
    buildAccess: createBuildAccess({ pool: services.pool, directory: environments.directory }),
    regions,
  };
  return {
    app,
    start: async () => {
      await environments.start();
      await deployments.start();
      await index.start();
      await recovery.start();
      await recovery.ensureReady();
      await engine.start();
    },
    stop: async () => {
      await regions.stop();
      await deployments.stop();
      await engine.stop();
      await recovery.stop();
      await index.stop();
      await telemetry.stop();
      await environments.stop();
      await store.stop();
      await redis.quit();
      await subscriber.quit();
    },
  };
}

/** A route module, as far as calls need it. */
export type RouteModule = {
  loader?: (args: { request: Request; params: Record<string, string>; context: Record<string, never> }) => Promise<Response>;
  action?: (args: { request: Request; params: Record<string, string>; context: Record<string, never> }) => Promise<Response>;
};

export type ApiCall = {
  method?: string;
  params?: Record<string, string>;
  /** Beginning with `?`. */
  query?: string;
  /** Goes into `Authorization: Bearer`. */
  token?: string;
  headers?: Record<string, string>;
  /** Strings are sent as they are, anything else as JSON. */
  body?: unknown;
};

export type ApiAnswer<T> = { status: number; headers: Headers; body: T };

/** Calls a route's loader (GET) or action and parses the answer; an answer that is no JSON is its text. */
export async function callRoute<T = Record<string, unknown>>(route: object, call: ApiCall = {}): Promise<ApiAnswer<T>> {
  const module = route as RouteModule;
  const method = call.method ?? (call.body === undefined && module.loader ? "GET" : "POST");
  const handler = method === "GET" ? module.loader : module.action;
  if (!handler) throw new Error(`The route has nothing for ${method}.`);
  const request = new Request(`${TEST_ORIGIN}/api/test${call.query ?? ""}`, { method, headers: headersOf(call), body: bodyOf(call) });
  return parseAnswer(await handler({ request, params: call.params ?? {}, context: {} }));
}

function headersOf(call: ApiCall): Record<string, string> {
  const authorization: Record<string, string> = call.token ? { authorization: `Bearer ${call.token}` } : {};
  return { "x-trigger-api-version": "2025-07-16", ...authorization, ...call.headers };
}

function bodyOf({ body }: ApiCall): string | undefined {
  return body === undefined || typeof body === "string" ? body : JSON.stringify(body);
}

async function parseAnswer<T>(response: Response): Promise<ApiAnswer<T>> {
  const text = await response.text();
  const isJson = text !== "" && response.headers.get("content-type")?.startsWith("application/json");
  return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T };
}
