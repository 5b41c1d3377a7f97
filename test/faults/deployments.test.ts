/**
 * Deployments whose server or agent is killed on the way: each reaches the same end once. What is posted is a prebuilt
 * bundle; what is checked is what Postgres holds at the end, and that a run completes on it.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentTokens } from "../../app/deployments/regions/agentTokens.server";
import { STEPS, type Step } from "../../app/deployments/phases";
import { systemClock } from "../../app/platform/clock";
import { createTestServices, type PrivateRedis, startRedisServer, type TestServices } from "../services";
import { bundleOfCli, type Bundle, DeployClient, endOf, phaseOf, PhaseWatch } from "../e2e/support/deployments";
import { eventually, repoRoot, spawnGroup, type Spawned } from "../e2e/support/processes";
import { type Sluice, startSluice } from "../e2e/support/sluice";

const END_TIMEOUT_MS = 150_000;
/** A phase of some milliseconds can be over when the signal arrives; such a deployment is checked, and another one is made. */
const MOST_TRIES = 5;
const TEST_TIMEOUT_MS = 600_000;
/** By default a process that has stopped answering is given more time than these tests have. */
const TIMEOUTS = { SLUICE_START_TIMEOUT_MS: "5000", SLUICE_HEARTBEAT_TIMEOUT_MS: "10000" };

type Stores = { services: TestServices; redis: PrivateRedis; watch: PhaseWatch };

async function openStores(): Promise<Stores> {
  const services = await createTestServices();
  return { services, redis: await startRedisServer(), watch: await PhaseWatch.start(services.pool) };
}

async function closeStores({ services, redis, watch }: Stores): Promise<void> {
  watch.stop();
  await redis.close();
  await services.close();
}

const urls = ({ services, redis }: Stores) => ({ databaseUrl: services.databaseUrl, redisUrl: redis.url });

/** An answer is for this test's own waits: without the hold it comes at once. */
async function answerAtOnce(stores: Stores, envId: string): Promise<void> {
  await stores.services.pool.query(
    "INSERT INTO deploy_setting (environment_id, hold_response) VALUES ($1, false) ON CONFLICT (environment_id) DO UPDATE SET hold_response = false",
    [envId]
  );
}

/** Deploys and calls `kill` as soon as `step` has begun; true when the deployment was still in it after that. */
async function deployAndKill(fleet: Fleet, step: Step, kill: () => Promise<void>): Promise<{ id: string; hit: boolean }> {
  const { client, bundle, stores } = fleet;
  const artifactKey = await client.upload(bundle);
  const entered = stores.watch.next(step);
  const answered = client.create(bundle, artifactKey);
  const id = await Promise.race([entered, answered.then(() => entered)]);
  await kill();
  const hit = (await phaseOf(stores.services.pool, id)) === step;
  fleet.answered = answered;
  return { id, hit };
}

type Fleet = { client: DeployClient; bundle: Bundle; stores: Stores; answered: Promise<unknown> };

async function expectTheEndOnce({ client, stores, answered }: Fleet, id: string, task: string): Promise<void> {
  await answered;
  const end = await endOf(stores.services.pool, id, END_TIMEOUT_MS);
  expect(end, JSON.stringify(end)).toMatchObject({ phase: "ready", status: "DEPLOYED", promotions: 1, openSteps: 0 });
  expect([...end.steps].sort()).toEqual([...STEPS].sort());
  expect(await client.run("hello", { name: task })).toMatchObject({
    status: "COMPLETED",
    version: end.version,
    output: { greeting: `Hello, ${task}` },
  });
}

describe("one server with its agent", () => {
  let sluice: Sluice;
  let fleet: Fleet;
  beforeAll(async () => {
    const stores = await openStores();
    sluice = await startSluice({ stores: urls(stores), agent: true, env: TIMEOUTS });
    const { secretKey, id } = sluice.credentials.environments.prod;
    const bundle = await bundleOfCli(sluice, path.dirname(sluice.agentDir), stores.services.pool);
    await answerAtOnce(stores, id);
    fleet = { client: new DeployClient(() => sluice.origin, secretKey), bundle, stores, answered: Promise.resolve() };
  });
  afterAll(async () => {
    await sluice?.remove();
    if (fleet) await closeStores(fleet.stores);
  });

  test.each(STEPS)(
    "kill -9 of the server while %s: the deployment ends once, and runs complete on it",
    async (step) => {
      const hits: boolean[] = [];
      while (!hits.includes(true) && hits.length < MOST_TRIES) {
        const { id, hit } = await deployAndKill(fleet, step, async () => {
          await sluice.killServer();
        });
        hits.push(hit);
        await sluice.start();
        await expectTheEndOnce(fleet, id, step);
      }
      expect(hits).toContain(true);
    },
    TEST_TIMEOUT_MS
  );

  const agentPid = () => (JSON.parse(readFileSync(path.join(sluice.agentDir, "agent.pid"), "utf8")) as { pid: number }).pid;

  test.each(["building", "deploying"] as const)(
    "kill -9 of the agent while %s: another one takes over, and the deployment ends once",
    async (step) => {
      const before = agentPid();
      const { id } = await deployAndKill(fleet, step, async () => {
        process.kill(before, "SIGKILL");
      });
      await eventually("another agent", 60_000, () => Promise.resolve(agentPid() !== before));
      await expectTheEndOnce(fleet, id, step);
    },
    TEST_TIMEOUT_MS
  );
});

describe("two servers on the same stores", () => {
  let servers: [Sluice, Sluice];
  let agent: Spawned;
  let agentDir: string;
  let sharedDir: string;
  let fleet: Fleet;
  /** The other one is the deployer; requests go to this one, and so does the agent. */
  let standby: Sluice;

  beforeAll(async () => {
    const stores = await openStores();
    sharedDir = mkdtempSync(path.join(os.tmpdir(), "sluice-e2e-shared-"));
    const options = { stores: urls(stores), env: { ...TIMEOUTS, RELEASE_STORE_URL: pathToFileURL(path.join(sharedDir, "releases")).href } };
    const first = await startSluice(options);
    const second = await startSluice(options);
    servers = [first, second];
    // Uploads are kept in the data directory, which is one server's alone: servers mount the folder of uploads.
    mkdirSync(path.join(sharedDir, "artifacts"));
    for (const server of servers) symlinkSync(path.join(sharedDir, "artifacts"), path.join(path.dirname(server.agentDir), "artifacts"));
    standby = second;
    agentDir = mkdtempSync(path.join(os.tmpdir(), "sluice-e2e-agent-"));
    agent = await startAgent(stores, second, agentDir);
    const { secretKey, id } = first.credentials.environments.prod;
    const bundle = await bundleOfCli(first, sharedDir, stores.services.pool);
    await answerAtOnce(stores, id);
    fleet = { client: new DeployClient(() => standby.origin, secretKey), bundle, stores, answered: Promise.resolve() };
  });
  afterAll(async () => {
    await agent?.kill("SIGTERM");
    await Promise.all((servers ?? []).map((server) => server.remove()));
    for (const directory of [agentDir, sharedDir]) if (directory) rmSync(directory, { recursive: true, force: true });
    if (fleet) await closeStores(fleet.stores);
  });

  const epoch = async () =>
    Number((await fleet.stores.services.pool.query<{ epoch: string }>("SELECT epoch FROM deployer_lease")).rows[0]?.epoch ?? 0);

  test.each(["building", "deploying"] as const)(
    "kill -9 of the deployer while %s: the other server ends the deployment, once",
    async (step) => {
      const deployer = servers[0] === standby ? servers[1] : servers[0];
      const before = await epoch();
      const { id } = await deployAndKill(fleet, step, () => deployer.killServer());
      await eventually("another deployer", 60_000, async () => (await epoch()) > before);
      await expectTheEndOnce(fleet, id, step);
      // The lease goes back to the first one, so that the agent's server is never the one that is killed.
      await deployer.start();
      const taken = await epoch();
      await standby.stop();
      await eventually("the first deployer again", 60_000, async () => (await epoch()) > taken);
      await standby.start();
    },
    TEST_TIMEOUT_MS
  );
});

async function startAgent({ services: { pool } }: Stores, server: Sluice, dataDir: string): Promise<Spawned> {
  const { rows } = await pool.query<{ id: string }>("SELECT id FROM region WHERE name = 'local'");
  const { token } = await new AgentTokens({ pool, clock: systemClock }).create(rows[0]?.id ?? "");
  const args = ["--url", server.origin, "--region", "local", "--data-dir", dataDir, "--drain-seconds", "0"];
  return spawnGroup(process.execPath, [path.join(repoRoot, "build/agent.js"), ...args], {
    cwd: repoRoot,
    env: { PATH: process.env.PATH, SLUICE_AGENT_TOKEN: token, LOG_LEVEL: "warn" },
  });
}
