/**
 * Two regions: the server's own machine, and a machine of another network (a network namespace) whose agent joins region
 * `eu`. A deployment to both is ready only when both run it, and the environment goes on serving when `eu` dies.
 */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AgentTokens } from "../../app/deployments/regions/agentTokens.server";
import { mintId } from "../../app/utils/ids";
import { systemClock } from "../../app/platform/clock";
import { createTestServices, type PrivateRedis, startRedisServer, type TestServices } from "../services";
import { bundleOfCli, type Bundle, DeployClient, endOf, phaseOf, PhaseWatch } from "../e2e/support/deployments";
import { addMachine, type Machine } from "../e2e/support/network";
import { eventually, repoRoot, type Spawned } from "../e2e/support/processes";
import { type Sluice, startSluice } from "../e2e/support/sluice";

const WAIT_MS = 120_000;
const TEST_TIMEOUT_MS = 400_000;

let services: TestServices;
let redis: PrivateRedis;
let watch: PhaseWatch;
let machine: Machine;
let sluice: Sluice;
let agent: Spawned;
let agentDir: string;
let client: DeployClient;
let bundle: Bundle;

beforeAll(async () => {
  machine = addMachine();
  services = await createTestServices();
  redis = await startRedisServer();
  watch = await PhaseWatch.start(services.pool);
  const stores = { databaseUrl: services.databaseUrl, redisUrl: redis.url };
  sluice = await startSluice({ stores, agent: true, host: machine.host });
  client = new DeployClient(() => sluice.origin, sluice.credentials.environments.prod.secretKey);
  bundle = await bundleOfCli(sluice, path.dirname(sluice.agentDir), services.pool);
  agentDir = mkdtempSync(path.join(os.tmpdir(), "sluice-e2e-eu-"));
});
afterAll(async () => {
  machine?.remove();
  await sluice?.remove();
  if (agentDir) rmSync(agentDir, { recursive: true, force: true });
  watch?.stop();
  await redis?.close();
  await services?.close();
});

async function regionToken(name: string): Promise<string> {
  const { pool } = services;
  const id = mintId(systemClock.now());
  await pool.query("INSERT INTO region (id, name) VALUES ($1, $2)", [id, name]);
  return (await new AgentTokens({ pool, clock: systemClock }).create(id)).token;
}

/** Replicas of a deployment that run, by region. */
async function running(deploymentId: string): Promise<Record<string, number>> {
  const { rows } = await services.pool.query<{ region: string; n: number }>(
    "SELECT r.name AS region, count(*)::int AS n FROM deployment_instance i JOIN region r ON r.id = i.region_id " +
      "WHERE i.deployment_id = $1 AND i.state = 'running' GROUP BY 1",
    [deploymentId]
  );
  return Object.fromEntries(rows.map((row) => [row.region, row.n]));
}

test(
  "an agent on another machine joins region eu",
  async () => {
    const token = await regionToken("eu");
    const args = ["--url", sluice.origin, "--token", token, "--region", "eu", "--roles", "runner", "--data-dir", agentDir];
    agent = machine.spawn(process.execPath, [path.join(repoRoot, "build/agent.js"), ...args], {
      cwd: repoRoot,
      env: { PATH: process.env.PATH, LOG_LEVEL: "warn" },
    });
    await eventually("its row", WAIT_MS, async () => {
      const { rows } = await services.pool.query("SELECT 1 FROM agent a JOIN region r ON r.id = a.region_id WHERE r.name = 'eu'");
      if (rows.length === 1) return true;
      throw new Error(agent.output());
    });
  },
  TEST_TIMEOUT_MS
);

test(
  "a deployment to both regions is ready only when both are",
  async () => {
    const { id: envId } = sluice.credentials.environments.prod;
    await services.pool.query(
      "INSERT INTO regional_setting (environment_id, region_id, replicas) SELECT $1, id, 1 FROM region WHERE name IN ('local', 'eu') " +
        "ON CONFLICT (environment_id, region_id) DO UPDATE SET replicas = 1",
      [envId]
    );
    await services.pool.query("INSERT INTO deploy_setting (environment_id, hold_response) VALUES ($1, false)", [envId]);
    const deploying = watch.next("deploying");
    await client.deploy(bundle);
    const id = await deploying;
    // `ip netns exec` becomes the agent: this stops it, and the deployment must wait for it.
    process.kill(agent.pid, "SIGSTOP");
    await eventually("a replica in local", WAIT_MS, async () => (await running(id))["local"]);
    expect(await phaseOf(services.pool, id)).toBe("deploying");
    expect((await running(id))["eu"]).toBeUndefined();
    process.kill(agent.pid, "SIGCONT");
    const end = await endOf(services.pool, id, WAIT_MS);
    expect(end).toMatchObject({ phase: "ready", status: "DEPLOYED", promotions: 1, openSteps: 0 });
    expect(await running(id)).toEqual({ local: 1, eu: 1 });
    const { rows } = await services.pool.query<{ name: string }>(
      "SELECT r.name FROM version_route v JOIN region r ON r.id = v.region_id WHERE v.deployment_id = $1 ORDER BY 1",
      [id]
    );
    expect(rows.map((row) => row.name)).toEqual(["eu", "local"]);
    for (const region of ["eu", "local"])
      expect(await client.run("hello", { name: region }, { region })).toMatchObject({
        status: "COMPLETED",
        version: end.version,
        output: { greeting: `Hello, ${region}` },
      });
  },
  TEST_TIMEOUT_MS
);

test(
  "the death of eu leaves the environment serving",
  async () => {
    const before = (await client.send("GET", "/api/v1/deployments/current")).body;
    machine.kill();
    await agent.ended;
    for (const name of ["one", "two", "three"])
      expect(await client.run("hello", { name })).toMatchObject({ status: "COMPLETED", version: before["version"] });
    expect((await client.send("GET", "/api/v1/deployments/current")).body).toMatchObject({
      version: before["version"],
      status: "DEPLOYED",
    });
  },
  TEST_TIMEOUT_MS
);
