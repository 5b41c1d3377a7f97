/** Deployed versions and agents over a whole application, served over HTTP and socket.io as agents call it. */
import { readdirSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { SupervisorHttpClient } from "@trigger.dev/core/v3/runEngineWorker";
import type { Workflow, WorkflowTopic } from "../app/deployments/ports";
import type { EnvironmentView } from "../app/environments/types";
import { createDispatcher, type DispatchedRoute } from "../app/api/dispatch/router.server";
import { silentLogger } from "../app/platform/logger";
import { mintId } from "../app/utils/ids";
import { movableClock, workerBody, type MovableClock, type TaskSpec } from "./engineFixture";
import { createTestServices, type TestServices } from "./services";
import { createTestApp, type TestApp } from "./testApp";

export type DeployOptions = {
  tasks?: TaskSpec[];
  /** Replicas by region; every region holds the release. Default: one in `local`. */
  regions?: Record<string, number>;
  /** Make it the environment's current version. Default true. */
  current?: boolean;
  phase?: "network" | "ready";
  externalId?: string;
};
export type TestDeployment = { id: string; version: string; workerId: string; digest: string };

export type DeployedFixture = TestApp & {
  services: TestServices;
  clock: MovableClock;
  prod: EnvironmentView;
  /** `http://127.0.0.1:<port>`. */
  url: string;
  /** What the workflow was told. */
  signals: { id: string; topic: WorkflowTopic }[];
  deploy(options?: DeployOptions): Promise<TestDeployment>;
  promote(deployment: TestDeployment): Promise<void>;
  /** Ends a deployment that was on its way well, as finalizing does. */
  finish(deployment: TestDeployment): Promise<void>;
  /** Creates a region, and a token for it. */
  region(name: string): Promise<{ id: string; token: string }>;
  agent(token: string, instanceName?: string): TestAgent;
  close(): Promise<void>;
};

/** An agent as far as the server sees it: core's own client for the supervisor protocol, plain calls for ours. */
export type TestAgent = SupervisorHttpClient & {
  headers: Record<string, string>;
  introduce(slots?: number): Promise<string>;
  get<T>(path: string): Promise<{ status: number; body: T }>;
  post<T>(path: string, body: unknown): Promise<{ status: number; body: T }>;
};

const ROUTES = path.join(process.cwd(), "app/routes");
const PREFIX = "engine.v1.worker-actions.";

/** Also the application of this process: routes may be called directly. */
export async function createDeployedFixture(): Promise<DeployedFixture> {
  const services = await createTestServices();
  const clock = movableClock();
  const signals: DeployedFixture["signals"] = [];
  const workflow: Workflow = {
    start: () => Promise.reject(new Error("These tests start no deployments.")),
    signal: (_db, id, topic) => Promise.resolve(void signals.push({ id, topic })),
  };
  const test = await createTestApp(services, { clock, workflow });
  const server = await serve(test);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const prod = await test.environment("prod");
  const rows = deploymentRows({ test, services, prod, clock });
  return {
    ...test,
    ...rows,
    ...{ services, clock, prod, url, signals },
    async region(name) {
      const { id } = await test.app.regions.directory.ensure(name);
      return { id, token: (await test.app.regions.tokens.create(id)).token };
    },
    agent: (token, instanceName = "one") => testAgent({ url, token, instanceName }),
    async close() {
      server.closeAllConnections();
      await test.close();
      await new Promise((resolve) => server.close(resolve));
      await services.close();
    },
  };
}

async function serve(test: TestApp): Promise<Server> {
  const files = readdirSync(ROUTES).filter((file) => file.startsWith(PREFIX));
  const routes = await Promise.all(files.map(async (file) => [file, await routeOf(file)] as const));
  const fallback = () => {
    throw new Error("Only the routes of agents are served.");
  };
  const server = createServer(createDispatcher({ routes: Object.fromEntries(routes), fallback, log: silentLogger }));
  test.app.engine.attach(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

async function routeOf(file: string): Promise<DispatchedRoute> {
  const id = file.replace(/\.ts$/, "");
  const module = (await import(/* @vite-ignore */ path.join(ROUTES, file))) as DispatchedRoute["module"];
  const urlPath = id
    .replaceAll(".", "/")
    .replaceAll("$", ":")
    .replace(/\/_index$/, "");
  return { id, path: urlPath, module };
}

type RowsInput = { test: TestApp; services: TestServices; prod: EnvironmentView; clock: MovableClock };

function deploymentRows({ test, services, prod, clock }: RowsInput) {
  const { pool } = services;
  let count = 0;
  const promote = async (deployment: TestDeployment) => {
    await pool.query(
      `INSERT INTO deployment_promotion (environment_id, deployment_id, generation, promoted_at) VALUES ($1, $2, 1, now())
       ON CONFLICT (environment_id) DO UPDATE SET deployment_id = excluded.deployment_id, generation = deployment_promotion.generation + 1`,
      [prod.id, deployment.id]
    );
    await pool.query("UPDATE environment SET current_worker_id = $2 WHERE id = $1", [prod.id, deployment.workerId]);
    // Every process hears of it within milliseconds; a test asks this one.
    const end = Date.now() + 5_000;
    while ((await test.app.environments.byId(prod.id))?.currentWorkerId !== deployment.workerId) {
      if (Date.now() > end) throw new Error("The promotion was not heard of.");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const finish = async (deployment: TestDeployment) => {
    await pool.query("UPDATE deployment SET phase = 'ready', status = 'DEPLOYED', deployed_at = now() WHERE id = $1", [deployment.id]);
  };
  const deploy = async (options: DeployOptions = {}): Promise<TestDeployment> => {
    const body = workerBody(options.tasks ?? [{ id: "a" }], `content-${++count}`);
    const worker = await test.app.environments.registerWorkerVersion({ envId: prod.id, body: body as never });
    const id = mintId(clock.now() + count);
    const digest = `sha256:${String(count).padStart(64, "0")}`;
    await pool.query("INSERT INTO release (digest, platform, node_abi, bytes, location) VALUES ($1, 'linux', '115', 1, 'x')", [digest]);
    await pool.query(
      `INSERT INTO deployment (id, project_id, environment_id, short_code, version, content_hash, phase, status, worker_version_id, release_digest, external_id)
       VALUES ($1, $2, $3, $4, $5, $6, 'network', 'DEPLOYING', $7, $8, $9)`,
      [id, prod.project.id, prod.id, `code${count}`, worker.version, worker.contentHash, worker.id, digest, options.externalId ?? null]
    );
    for (const [name, replicas] of Object.entries(options.regions ?? { local: 1 })) await place(id, name, replicas);
    const deployment = { id, version: worker.version, workerId: worker.id, digest };
    if (options.phase !== "network") await finish(deployment);
    if (options.phase !== "network" && options.current !== false) await promote(deployment);
    return deployment;
  };
  const place = async (id: string, name: string, replicas: number) => {
    const region = await test.app.regions.directory.ensure(name);
    await pool.query("INSERT INTO version_route (deployment_id, region_id) VALUES ($1, $2)", [id, region.id]);
    await pool.query(
      "INSERT INTO deployment_topology (deployment_id, region_id, desired_replicas, min_replicas, desired_status) VALUES ($1, $2, $3, 1, 'running')",
      [id, region.id, replicas]
    );
    await pool.query("INSERT INTO deployment_change (region_id, deployment_id) VALUES ($1, $2)", [region.id, id]);
  };
  return { deploy, promote, finish };
}

function testAgent({ url, token, instanceName }: { url: string; token: string; instanceName: string }): TestAgent {
  const client = new SupervisorHttpClient({ apiUrl: url, workerToken: token, instanceName });
  const headers = { authorization: `Bearer ${token}`, "x-trigger-worker-instance-name": instanceName };
  const call = async <T>(target: string, init: RequestInit) => {
    const response = await fetch(`${url}${target}`, { ...init, headers: { ...headers, "content-type": "application/json" } });
    return { status: response.status, body: (await response.json()) as T };
  };
  return Object.assign(client, {
    headers,
    async introduce(slots = 4) {
      const answer = await call<{ agentId: string }>("/engine/v1/worker-actions/connect", {
        method: "POST",
        body: JSON.stringify({ metadata: { slots, capabilities: TEST_CAPABILITIES } }),
      });
      return answer.body.agentId;
    },
    get: <T>(target: string) => call<T>(target, { method: "GET" }),
    post: <T>(target: string, body: unknown) => call<T>(target, { method: "POST", body: JSON.stringify(body) }),
  });
}

export const TEST_CAPABILITIES = {
  platform: "linux",
  arch: "x64",
  nodeAbi: "115",
  node: "20.20.2",
  packages: [],
  isolation: "L0",
  roles: ["runner"],
  memoryMb: 4_096,
};
