/**
 * Deployments driven by the real workflow, with the other machines played in SQL: a builder that claims jobs and stores a
 * worker and a release, and agents that report replicas, writing the rows that the routes for builders and agents write.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createAuditLog } from "../app/deployments/audit.server";
import { CancelDeploymentService } from "../app/deployments/api/cancelDeployment.server";
import { createDeploymentEvents } from "../app/deployments/events.server";
import { endDeployment } from "../app/deployments/rows/endDeployment.server";
import { lockEnvironment } from "../app/deployments/rows/environmentLock.server";
import { insertDeployment, type NewDeployment } from "../app/deployments/rows/insertDeployment.server";
import type { Phase } from "../app/deployments/phases";
import type { Actor } from "../app/deployments/ports";
import { DbosEngine } from "../app/deployments/workflow/engine/dbosEngine.server";
import { createEnvironments, type Environments } from "../app/environments/environments.server";
import type { EnvironmentView } from "../app/environments/types";
import { systemClock } from "../app/platform/clock";
import { inTransaction, type Pool, type PoolClient } from "../app/platform/db.server";
import { mintId } from "../app/utils/ids";
import { createTestServices, type TestServices } from "./services";
import { compile } from "./support/compiled";
import { createTestWorkflow, type TestWorkflow, type TestWorkflowOptions } from "./support/deploymentWorkflow";
import { createTenant, TEST_ENCRYPTION_KEY, waitFor, type Tenant } from "./tenant";

export const ACTOR: Actor = { type: "user", id: "tester", name: "Tester", ip: null, userAgent: null, correlationId: null };
const TERMINAL = ["ready", "stopped", "failed", "cancelled", "superseded", "skipped"];

export type WorkflowFixture = Awaited<ReturnType<typeof createWorkflowFixture>>;

/** One database, one tenant, region `local` with an agent. Call `close` in `afterAll`. */
export async function createWorkflowFixture() {
  const services = await createTestServices();
  const { pool, databaseUrl, log } = services;
  const environments = createEnvironments({
    ...{ pool, directDatabaseUrl: databaseUrl, clock: systemClock, log },
    encryptionKey: TEST_ENCRYPTION_KEY,
    defaultConcurrency: 100,
  });
  const tenant = await createTenant(environments);
  const engine = new DbosEngine({ pool, directDatabaseUrl: databaseUrl, log });
  const actors = new Actors(services, engine);
  await actors.addRegion("local");
  actors.start();
  const workflows: TestWorkflow[] = [];
  return {
    ...{ services, pool, environments, tenant, engine, actors, databaseUrl },
    ...deploymentCalls({ services, environments, tenant, engine }),
    /** A deployer and the workflow's loops in this process; stopped with the fixture. */
    startWorkflow: async (options: Omit<TestWorkflowOptions, "databaseUrl"> = {}): Promise<TestWorkflow> => {
      const started = createTestWorkflow({ databaseUrl, log, ...options });
      workflows.push(started);
      await started.start();
      return started;
    },
    close: async () => {
      for (const workflow of workflows) await workflow.stop();
      await actors.stop();
      await environments.stop();
      await services.close();
    },
  };
}

type Parts = { services: TestServices; environments: Environments; tenant: Tenant; engine: DbosEngine };

function deploymentCalls({ services: { pool }, tenant, engine }: Parts) {
  const audit = createAuditLog({ clock: systemClock });
  const events = createDeploymentEvents({ pool });
  const workflow = { start: engine.startOnce.bind(engine), signal: engine.signal.bind(engine) };
  const cancel = new CancelDeploymentService({ pool, clock: systemClock, audit, events, workflow });
  return {
    events,
    /** As `POST /api/v1/deployments` inserts it, from a bundle. */
    deploy: (env: EnvironmentView = tenant.prod, over: Partial<NewDeployment> = {}) =>
      inTransaction(pool, async (tx) => {
        await lockEnvironment(tx, env.id);
        return insertDeployment(tx, { audit, workflow }, { ...newDeployment(env), ...over }, Date.now());
      }),
    cancel: (id: string, env: EnvironmentView = tenant.prod, reason?: string) =>
      cancel.call({ env, deploymentId: id, reason, actor: ACTOR }),
    /** What an earlier test left on its way. */
    cancelAll: async () => {
      const { rows } = await pool.query<{ id: string }>("SELECT id FROM deployment WHERE NOT phase = ANY($1)", [TERMINAL]);
      for (const { id } of rows) {
        const end = { deploymentId: id, phase: "cancelled", message: "Next test", nowMs: Date.now() } as const;
        await inTransaction(pool, (tx) => endDeployment(tx, { events, workflow }, end));
      }
    },
    phaseOf: (id: string) => phaseOf(pool, id),
    untilPhase: (id: string, phase: Phase | Phase[], ms = 20_000) => untilPhase(pool, id, { phases: [phase].flat(), ms }),
    untilEnded: (id: string, ms = 30_000) => untilPhase(pool, id, { phases: TERMINAL, ms }),
    /** The whole stored state of a deployment that a test compares. */
    state: (id: string) => readState(pool, id),
  };
}

function newDeployment(env: EnvironmentView): NewDeployment {
  const nothing = { configFilePath: null, buildEnvVarsCipher: null, triggeredById: null, triggeredVia: null, git: null, commitSha: null };
  return {
    ...nothing,
    ...{ env, contentHash: "hash", runtime: "node", fromBundle: true, artifactKey: null, bundleKey: null, skipPromotion: false },
    ...{ externalId: null, requestKey: null, redeployOfId: null, actor: ACTOR, event: "deployment.create" },
  };
}

async function phaseOf(pool: Pool, id: string): Promise<string> {
  const { rows } = await pool.query<{ phase: string }>("SELECT phase FROM deployment WHERE id = $1", [id]);
  return rows[0]?.phase ?? "missing";
}

async function untilPhase(pool: Pool, id: string, { phases, ms }: { phases: string[]; ms: number }): Promise<string> {
  let phase = "";
  await waitFor(async () => phases.includes((phase = await phaseOf(pool, id))), ms).catch(() => {
    throw new Error(`Deployment is in phase ${phase}, not in ${phases.join(" or ")}, after ${ms} ms.`);
  });
  return phase;
}

async function readState(pool: Pool, id: string) {
  const one = async <T extends object>(sql: string) => (await pool.query<T>(sql, [id])).rows;
  type Step = { step: string; ended: boolean; error: string | null; error_summary: string | null; attempt: number };
  return {
    deployment: (
      await one<{
        phase: string;
        status: string;
        failure_step: string | null;
        failure_code: string | null;
        error_data: unknown;
        canceled_reason: string | null;
        image_reference: string | null;
      }>("SELECT phase, status, failure_step, failure_code, error_data, canceled_reason, image_reference FROM deployment WHERE id = $1")
    )[0],
    steps: await one<Step>(
      "SELECT step, ended_at IS NOT NULL AS ended, error, error_summary, attempt FROM deployment_step WHERE deployment_id = $1 ORDER BY started_at, step = 'finalizing', step"
    ),
    events: await one<{ type: string; step: string | null; level: string; body: string }>(
      "SELECT type, step, level, body FROM deployment_event WHERE deployment_id = $1 ORDER BY seq"
    ),
    topology: await one<{ region: string; desired_status: string; desired_replicas: number }>(
      "SELECT r.name AS region, desired_status, desired_replicas FROM deployment_topology t JOIN region r ON r.id = t.region_id WHERE deployment_id = $1 ORDER BY r.name"
    ),
    routes: await one<{ region_id: string }>("SELECT region_id FROM version_route WHERE deployment_id = $1"),
    slots: await one<{ state: string }>("SELECT state FROM build_slot WHERE deployment_id = $1"),
    jobs: await one<{ attempt: number; state: string }>("SELECT attempt, state FROM build_job WHERE deployment_id = $1 ORDER BY attempt"),
    workers: await one<{ id: string }>(
      "SELECT w.id FROM worker_version w JOIN deployment d ON d.environment_id = w.environment_id AND d.version = w.version WHERE d.id = $1"
    ),
    promotions: await one<{ kind: string }>("SELECT kind FROM deployment_promotion_event WHERE to_deployment_id = $1"),
  };
}

/** Holds a lock until `release`, so that whoever needs it stops there. */
export async function holdLock(
  pool: Pool,
  sql: string,
  values: unknown[] = []
): Promise<{ tx: PoolClient; waited: () => Promise<void>; release(): Promise<void> }> {
  const tx = await pool.connect();
  await tx.query("BEGIN");
  await tx.query(sql, values);
  const waiting =
    "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE NOT granted AND d.datname = current_database() UNION ALL SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
  return {
    tx,
    waited: () => waitFor(async () => Boolean((await pool.query(waiting)).rowCount), 60_000),
    release: async () => {
      await tx.query("COMMIT");
      tx.release();
    },
  };
}

/** What the builder does with the next job it sees. `hold`: claims and goes on heartbeating; `die`: claims and is never heard of again. */
export type BuildPlan = "succeed" | "fail" | "no-worker" | "hold" | "die" | "ignore";

const LOOK_EVERY_MS = 15;
const BUILDER_LEASE_MS = 30_000;

/** Builder and agents of all regions. */
export class Actors {
  build: (deploymentId: string, attempt: number) => BuildPlan = () => "succeed";
  /** What the agents of a region say of a deployment; null: nothing yet. */
  report: (deploymentId: string, region: string) => "running" | "failed" | "preparing" | null = () => "running";
  readonly regions = new Map<string, { id: string; agentId: string }>();
  private timer: NodeJS.Timeout | undefined;
  private pass: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly services: TestServices,
    private readonly engine: DbosEngine
  ) {}

  async addRegion(name: string): Promise<string> {
    const { pool } = this.services;
    const region = { id: mintId(Date.now()), agentId: mintId(Date.now()) };
    const { rows } = await pool.query<{ id: string }>(
      "INSERT INTO region (id, name) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name RETURNING id",
      [region.id, name]
    );
    region.id = rows[0]?.id ?? region.id;
    const capabilities = {
      platform: "linux",
      arch: "x64",
      nodeAbi: "115",
      node: "v20.0.0",
      packages: [],
      isolation: "L0",
      roles: ["runner", "builder"],
      memoryMb: 4096,
    };
    await pool.query(
      "INSERT INTO agent (id, region_id, instance_name, capabilities, slots, last_seen_at) VALUES ($1, $2, $3, $4, 50, now())",
      [...[region.agentId, region.id, `agent-${name}`, JSON.stringify(capabilities)]]
    );
    this.regions.set(name, region);
    return region.id;
  }

  /** Of the environment; `replicas` as the table takes them. */
  async setRegions(envId: string, replicas: Record<string, number>): Promise<void> {
    const { pool } = this.services;
    await pool.query("DELETE FROM regional_setting WHERE environment_id = $1", [envId]);
    for (const [name, count] of Object.entries(replicas)) {
      await pool.query("INSERT INTO regional_setting (environment_id, region_id, replicas) VALUES ($1, $2, $3)", [
        envId,
        this.regions.get(name)?.id,
        count,
      ]);
    }
  }

  start(): void {
    const look = () => {
      this.pass = this.act()
        .catch(() => undefined)
        .then(() => void (this.stopped || (this.timer = setTimeout(look, LOOK_EVERY_MS))));
    };
    look();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.pass;
  }

  private async act(): Promise<void> {
    await this.services.pool.query("UPDATE agent SET last_seen_at = now() WHERE last_seen_at < now() - interval '1 second'");
    await this.actAsBuilder();
    await this.actAsAgents();
  }

  private async actAsBuilder(): Promise<void> {
    const { rows } = await this.services.pool.query<{ deployment_id: string; attempt: number }>(
      "SELECT deployment_id, attempt FROM build_job WHERE state = 'waiting'"
    );
    for (const { deployment_id: id, attempt } of rows) {
      const plan = this.build(id, attempt);
      if (plan === "ignore") continue;
      const leaseMs = plan === "die" ? -1_000 : BUILDER_LEASE_MS;
      const claimed = await this.services.pool.query(
        "UPDATE build_job SET state = 'claimed', lease_until = $3 WHERE deployment_id = $1 AND attempt = $2 AND state = 'waiting'",
        [id, attempt, new Date(Date.now() + leaseMs)]
      );
      if (claimed.rowCount && plan !== "die" && plan !== "hold") await this.endBuild(id, attempt, plan);
    }
  }

  /** Ends a job that is claimed, for tests that held it. */
  async endBuild(id: string, attempt: number, plan: "succeed" | "fail" | "no-worker"): Promise<void> {
    await inTransaction(this.services.pool, async (tx) => {
      if (plan === "succeed") await storeBuilt(tx, id);
      const outcome =
        plan === "fail"
          ? { message: "Cannot find module 'left-pad'", stderr: "left-pad is missing" }
          : plan === "no-worker"
            ? { stderr: "SyntaxError: oops" }
            : null;
      await tx.query(
        "UPDATE build_job SET state = $3, ended_at = now(), outcome = $4 WHERE deployment_id = $1 AND attempt = $2 AND state = 'claimed'",
        [...[id, attempt, plan === "fail" ? "failed" : "succeeded", outcome ? JSON.stringify(outcome) : null]]
      );
      await this.engine.signal(tx, id, "build");
    });
  }

  private async actAsAgents(): Promise<void> {
    const { pool } = this.services;
    const { rows } = await pool.query<{ deployment_id: string; region: string; replicas: number }>(
      "SELECT t.deployment_id, r.name AS region, t.desired_replicas AS replicas FROM deployment_topology t JOIN region r ON r.id = t.region_id JOIN deployment d ON d.id = t.deployment_id WHERE t.desired_status = 'running' AND d.phase = 'deploying'"
    );
    for (const { deployment_id: id, region, replicas } of rows) {
      const state = this.report(id, region);
      if (state !== null) await this.reportInstances(id, region, { state, replicas });
    }
  }

  async reportInstances(id: string, region: string, { state, replicas }: { state: string; replicas: number }): Promise<void> {
    const { pool } = this.services;
    const place = this.regions.get(region);
    const before = await pool.query(
      "SELECT 1 FROM deployment_instance WHERE deployment_id = $1 AND region_id = $2 AND state = $3 LIMIT 1",
      [id, place?.id, state]
    );
    await inTransaction(pool, async (tx) => {
      for (let n = 0; n < replicas; n += 1) {
        const key = `${id}-${region}-${n}`;
        await tx.query(
          "INSERT INTO deployment_instance (id, deployment_id, region_id, agent_id, runner_id, pid, state, message, last_seen_at) VALUES ($1, $2, $3, $4, $1, 1, $5, $6, now()) ON CONFLICT (id) DO UPDATE SET state = EXCLUDED.state, message = EXCLUDED.message, last_seen_at = now()",
          [key, id, place?.id, place?.agentId, state, state === "failed" ? "exited 5 times within 60 s" : null]
        );
      }
      if (!before.rowCount) await this.engine.signal(tx, id, "health");
    });
  }
}

async function storeBuilt(tx: PoolClient, id: string): Promise<void> {
  const digest = `digest-${id}`;
  await tx.query(
    "INSERT INTO release (digest, platform, node_abi, bytes, location) VALUES ($1, 'linux', '115', 1, 'nowhere') ON CONFLICT DO NOTHING",
    [digest]
  );
  const workerId = mintId(Date.now());
  await tx.query(
    "INSERT INTO worker_version (id, environment_id, version, content_hash, sdk_version, cli_version, metadata) SELECT $2, environment_id, version, content_hash, '4.8.3', '4.8.3', '{}' FROM deployment WHERE id = $1",
    [id, workerId]
  );
  await tx.query("UPDATE deployment SET worker_version_id = $2, release_digest = $3 WHERE id = $1 AND phase = 'building'", [
    id,
    workerId,
    digest,
  ]);
}

export type DeployerProcess = { child: ChildProcess; kill(): Promise<void>; stopGently(): Promise<void> };

/** Another process that may become the deployer. */
export async function spawnDeployer(
  options: Pick<TestWorkflowOptions, "databaseUrl" | "timing" | "deadlinesMs">
): Promise<DeployerProcess> {
  const child = spawn(process.execPath, [compile("test/support/deployerProcess.ts"), JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, "exit");
  };
  return { child, kill: () => end("SIGKILL"), stopGently: () => end("SIGTERM") };
}
