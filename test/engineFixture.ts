/** A whole engine over real stores: environments, run store, queue index with recovery, and a worker that speaks its protocol. */
import { createAgentAccess } from "../app/deployments/regions/agentAccess.server";
import { createDeployedVersions } from "../app/deployments/regions/deployedVersions.server";
import { createEngine, limitsSource, type Engine } from "../app/engine/engine.server";
import type { EngineOptions } from "../app/engine/env";
import { createQueueIndex, type QueueIndexDriver } from "../app/engine/queueIndex/queueIndex.server";
import { createRecovery, type Recovery } from "../app/engine/recovery/recovery.server";
import type { Completion, DevWorker } from "../app/engine/types";
import { createEnvironments, type Environments } from "../app/environments/environments.server";
import type { EnvironmentView } from "../app/environments/types";
import type { Clock } from "../app/platform/clock";
import { silentLogger } from "../app/platform/logger";
import { createRedis } from "../app/platform/redis.server";
import type { NewRun } from "../app/runops/runStore";
import { createRunStore, type ResidentStore } from "../app/runops/resident/resident.server";
import { mintId, parseFriendlyId } from "../app/utils/ids";
import { plainRun } from "./plainRun";
import { createTestServices, type TestServices } from "./services";

/** The real time plus what a test added: rows, deadlines and timers move together. */
export type MovableClock = Clock & { advance(ms: number): void };

export function movableClock(): MovableClock {
  let addedMs = 0;
  return { now: () => Date.now() + addedMs, advance: (ms) => void (addedMs += ms) };
}

export type TaskSpec = { id: string; queue?: { name?: string; concurrencyLimit?: number }; [field: string]: unknown };

export type EngineFixture = {
  services: TestServices;
  clock: MovableClock;
  environments: Environments;
  store: ResidentStore;
  index: QueueIndexDriver;
  recovery: Recovery;
  engine: Engine;
  worker: DevWorker;
  /** Milliseconds that a poll is held. */
  holdMs: number;
  dev: EnvironmentView;
  prod: EnvironmentView;
  /** Registers a dev worker; its friendly id. */
  register(tasks: TaskSpec[], contentHash?: string): Promise<string>;
  /** Creates a run as the trigger API does, in `dev` unless told otherwise. */
  trigger(over?: Partial<NewRun> & { env?: EnvironmentView }): Promise<string>;
  /** The environment as it is now. */
  reload(env: EnvironmentView): Promise<EnvironmentView>;
  close(): Promise<void>;
};

const QUIET_HOLD_MS = 2_000;

export async function createEngineFixture(options: Partial<EngineOptions> = {}): Promise<EngineFixture> {
  const services = await createTestServices();
  const clock = movableClock();
  const log = silentLogger;
  const environments = createEnvironments({
    pool: services.pool,
    directDatabaseUrl: services.databaseUrl,
    encryptionKey: "0".repeat(64),
    defaultConcurrency: 25,
    clock,
    log,
  });
  await environments.start();
  const { dev, prod } = await createTenancy(environments, clock);
  const store = createRunStore({ url: services.databaseUrl, name: "test", clock, log });
  const { engine, index, subscriber } = buildEngine({ services, clock, environments, store }, options);
  const timeouts = { pendingExecutingMs: options.startTimeoutMs ?? 60_000, executingMs: options.heartbeatTimeoutMs ?? 300_000 };
  const recovery = createRecovery({ index, store, clock, log, onOverdue: (ids) => engine.onOverdue(ids), timeouts });
  await index.start();
  await recovery.start();
  await recovery.ensureReady();
  await engine.start();
  let builds = 0;
  const reload = async (env: EnvironmentView) => (await environments.byId(env.id)) ?? env;
  return {
    ...{ services, clock, environments, store, index, recovery, engine, dev, prod, reload },
    worker: engine.devWorker,
    holdMs: options.dequeueHoldMs ?? QUIET_HOLD_MS,
    async register(tasks, contentHash) {
      const answer = await engine.devWorker.register(dev, dev.project.ref, workerBody(tasks, contentHash ?? `hash-${++builds}`));
      return (answer as { id: string }).id;
    },
    async trigger({ env = dev, ...over } = {}) {
      const run = newRun(env, clock, over);
      const outcome = await store.trigger(run);
      if (outcome.kind !== "created") throw new Error(`The run was not created: ${outcome.kind}`);
      await engine.afterTrigger(run);
      return run.id;
    },
    async close() {
      await engine.stop();
      await recovery.stop();
      await index.stop();
      await store.stop();
      await environments.stop();
      await subscriber.quit();
      await services.close();
    },
  };
}

type Shared = Pick<EngineFixture, "services" | "clock" | "environments" | "store">;

function buildEngine({ services, clock, environments, store }: Shared, options: Partial<EngineOptions>) {
  const log = silentLogger;
  const index = createQueueIndex({ redis: services.redis, limits: limitsSource(environments), clock, log });
  const subscriber = createRedis({ url: services.redisUrl, name: "feed", log });
  const engine = createEngine({
    ...{ store, index, clock, log, subscriber },
    directory: environments,
    workers: environments,
    changes: environments.changes,
    auth: { secretKey: (request) => keyCaller(environments, request) },
    agents: createAgentAccess({ pool: services.pool, clock }),
    deployed: createDeployedVersions({ pool: services.pool, clock }),
    redis: services.redis,
    origin: "http://127.0.0.1:3030",
    otlpEndpoint: (env) => `http://127.0.0.1:3030/otel/token-of-${env.slug}`,
    random: () => 0.5,
    options: { dequeueHoldMs: QUIET_HOLD_MS, ...options },
  });
  return { engine, index, subscriber };
}

/** A second engine over the same stores, as another server process would be: it shares no memory with the first. */
export async function openSecondEngine(fixture: EngineFixture, options: Partial<EngineOptions> = {}) {
  const { engine, index, subscriber } = buildEngine(fixture, options);
  const { store, clock } = fixture;
  const timeouts = { pendingExecutingMs: 60_000, executingMs: 300_000 };
  const recovery = createRecovery({ index, store, clock, log: silentLogger, onOverdue: (ids) => engine.onOverdue(ids), timeouts });
  await index.start();
  await recovery.start();
  await recovery.ensureReady();
  await engine.start();
  return {
    engine,
    worker: engine.devWorker,
    dev: fixture.dev,
    holdMs: fixture.holdMs,
    async close() {
      await engine.stop();
      await recovery.stop();
      await index.stop();
      await subscriber.quit();
    },
  };
}

async function createTenancy(environments: Environments, clock: Clock): Promise<{ dev: EnvironmentView; prod: EnvironmentView }> {
  const now = new Date(clock.now());
  const data = { id: mintId(clock.now()), email: "dev@example.com", name: "Dev", createdAt: now };
  const user = await environments.prisma.userAccount.create({ data });
  const organization = await environments.createOrganization.call({ title: "Acme", ownerUserId: user.id });
  const project = await environments.createProject.call({ organizationId: organization.id, name: "Jobs" });
  const [dev, prod] = await Promise.all([environments.bySlug(project.ref, "dev", null), environments.bySlug(project.ref, "prod", null)]);
  if (!dev || !prod) throw new Error("A new project lacks its environments.");
  return { dev, prod };
}

async function keyCaller(environments: Environments, request: Request) {
  const key = request.headers.get("authorization")?.replace(/^Bearer /, "") ?? "";
  const env = await environments.bySecretKey(key);
  if (!env) throw new Error("Invalid or Missing API key");
  return { env, via: "secret-key" as const, can: () => true, oneTimeToken: null, scopes: [] };
}

/** What `trigger dev` sends to register these tasks. */
export function workerBody(tasks: TaskSpec[], contentHash: string) {
  return {
    localOnly: true,
    engine: "V2",
    supportsLazyAttempts: true,
    metadata: {
      packageVersion: "4.8.3",
      cliPackageVersion: "4.8.3",
      contentHash,
      tasks: tasks.map((task) => ({ filePath: `src/trigger/${task.id}.ts`, exportName: task.id, entryPoint: "x", ...task })),
      queues: [],
      sourceFiles: [],
    },
  };
}

function newRun(env: EnvironmentView, clock: Clock, over: Partial<NewRun>): NewRun {
  return plainRun(clock.now(), {
    envId: env.id,
    region: env.region,
    payload: '{"json":{"n":1}}',
    payloadType: "application/super+json",
    queue: `task/${over.task ?? "a"}`,
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    tags: ["red"],
    ...over,
  });
}

export type WireSnapshot = { id: string; friendlyId: string; executionStatus: string };
export type DequeuedRun = {
  runId: string;
  friendlyId: string;
  snapshotId: string;
  attemptNumber: number;
  message: Record<string, unknown> & { run: Record<string, unknown>; snapshot: WireSnapshot };
};
export type StartedRun = {
  snapshotId: string;
  run: { status: string; attemptNumber: number };
  execution: { attempt: { number: number }; run: Record<string, unknown>; [part: string]: unknown };
  envVars: Record<string, string>;
};
export type CompletedRun = { attemptStatus: string; snapshotId: string; run: { status: string; attemptNumber: number } };

/** A dev worker of one environment: what the CLI does, a call at a time. */
export function workerOf(fixture: Pick<EngineFixture, "worker" | "dev" | "holdMs">, workerId: string) {
  const env = fixture.dev;
  return {
    /** The run of a poll, or null when it was held in vain; repeated as the CLI does when news of a registration ends it early. */
    async poll(signal: AbortSignal = new AbortController().signal): Promise<DequeuedRun | null> {
      const deadline = Date.now() + fixture.holdMs;
      for (;;) {
        const run = await this.pollOnce(signal);
        if (run || signal.aborted || Date.now() >= deadline) return run;
      }
    },
    /** One request. */
    async pollOnce(signal: AbortSignal = new AbortController().signal): Promise<DequeuedRun | null> {
      const answer = await fixture.worker.dequeue(env, { currentWorker: workerId }, signal);
      const message = answer.dequeuedMessages[0] as DequeuedRun["message"] | undefined;
      if (!message) return null;
      const { friendlyId, attemptNumber } = message.run as { friendlyId: string; attemptNumber: number };
      return {
        runId: parseFriendlyId("run", friendlyId) ?? "",
        friendlyId,
        snapshotId: message.snapshot.friendlyId,
        attemptNumber,
        message,
      };
    },
    async start(run: { friendlyId: string; snapshotId: string }, replayKey: string | null = null): Promise<StartedRun> {
      const answer = await fixture.worker.start({ env, runId: run.friendlyId, snapshotId: run.snapshotId, replayKey });
      const body = answer as StartedRun & { snapshot: WireSnapshot };
      return { ...body, snapshotId: body.snapshot.friendlyId };
    },
    async complete(run: { friendlyId: string }, snapshotId: string, completion: Completion): Promise<CompletedRun> {
      const answer = await fixture.worker.complete({ env, runId: run.friendlyId, snapshotId, completion });
      const { result } = answer as { result: { attemptStatus: string; snapshot: WireSnapshot; run: CompletedRun["run"] } };
      return { attemptStatus: result.attemptStatus, snapshotId: result.snapshot.friendlyId, run: result.run };
    },
    async latest(run: { friendlyId: string }): Promise<{ snapshot: WireSnapshot; run: { status: string; attemptNumber?: number } }> {
      const answer = await fixture.worker.latestSnapshot({ env, runId: run.friendlyId });
      return (answer as { execution: { snapshot: WireSnapshot; run: { status: string; attemptNumber?: number } } }).execution;
    },
    heartbeat(run: { friendlyId: string }, snapshotId: string) {
      return fixture.worker.heartbeat({ env, runId: run.friendlyId, snapshotId });
    },
    /** Poll and start; throws when there was nothing. */
    async take(): Promise<DequeuedRun & { started: StartedRun }> {
      const run = await this.poll();
      if (!run) throw new Error("No run was handed out.");
      return { ...run, started: await this.start(run) };
    },
  };
}
