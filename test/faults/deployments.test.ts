/**
 * Deployments whose server or agent is killed on the way: each reaches the same end once. Six deployments are held, one
 * inside each of the six phases, and one SIGKILL hits them all; each round, at another moment of the phase. What is posted is a
 * prebuilt bundle; what is checked is what Postgres holds in the end, that runs complete on it, and what still runs.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentTokens } from "../../app/deployments/regions/agentTokens.server";
import type { Step } from "../../app/deployments/phases";
import { systemClock } from "../../app/platform/clock";
import { createTestServices, type PrivateRedis, startRedisServer, type TestServices } from "../services";
import { bundleOfCli, type Bundle, endOf } from "../e2e/support/deployments";
import { eventually, repoRoot, spawnGroup, type Spawned } from "../e2e/support/processes";
import { type Sluice, startSluice } from "../e2e/support/sluice";
import { Balancer } from "./support/balancer";
import { Fleet } from "./support/fleet";
import { AGENT_POINTS, HOLD_POINTS, type HoldPoint } from "./support/holds";
import { processesBelow, rootOf } from "../e2e/support/leftovers";

const ROUNDS = [1, 2, 3, 4, 5];
const WAIT_MS = 120_000;
const TEST_TIMEOUT_MS = 400_000;
const SETUP_TIMEOUT_MS = 400_000;
/** By default a process that has stopped answering is given more time than these tests have. */
const TIMEOUTS = { SLUICE_START_TIMEOUT_MS: "20000", SLUICE_HEARTBEAT_TIMEOUT_MS: "60000", DEPLOYER_LEASE_MS: "3000" };

type Stores = { services: TestServices; redis: PrivateRedis };

async function openStores(): Promise<Stores> {
  return { services: await createTestServices(), redis: await startRedisServer() };
}

async function closeStores({ services, redis }: Stores): Promise<void> {
  await redis.close();
  await services.close();
}

/** Sessions of a server carry its name, so that those of a killed one can be told from the others'. */
function urls({ services, redis }: Stores, name: string) {
  const databaseUrl = new URL(services.databaseUrl);
  databaseUrl.searchParams.set("application_name", name);
  return { databaseUrl: databaseUrl.href, redisUrl: redis.url };
}

/** Made by the real CLI once for both fleets. */
let made: Bundle | undefined;
async function bundleFrom(server: Sluice, dataDir: string, { services }: Stores): Promise<Bundle> {
  made ??= await bundleOfCli(server, dataDir, services.pool);
  return made;
}

/** The n-th point of each phase. */
function pointsOf<S extends Step>(points: Record<S, readonly HoldPoint[]>, round: number): Partial<Record<Step, HoldPoint>> {
  const entries = Object.entries<readonly HoldPoint[]>(points);
  return Object.fromEntries(entries.map(([step, all]) => [step, all[(round - 1) % all.length]]));
}

const agentPid = (dir: string) => (JSON.parse(readFileSync(path.join(dir, "agent.pid"), "utf8")) as { pid: number }).pid;

describe("one server with its agent", () => {
  const NAME = "sluice-one";
  let stores: Stores;
  let sluice: Sluice;
  let fleet: Fleet;
  beforeAll(async () => {
    stores = await openStores();
    sluice = await startSluice({ stores: urls(stores, NAME), agent: true, env: TIMEOUTS });
    const { pool } = stores.services;
    const bundle = await bundleFrom(sluice, path.dirname(sluice.agentDir), stores);
    fleet = await Fleet.create({ pool, bundle, server: sluice, origin: () => sluice.origin });
  }, SETUP_TIMEOUT_MS);
  afterAll(async () => {
    await sluice?.remove();
    await fleet?.holds.close();
    if (stores) await closeStores(stores);
  });

  describe.each(ROUNDS)("round %i", (round) => {
    test(
      "kill -9 of the server inside each of the six phases: all deployments end once, and runs complete on them",
      async () => {
        const held = await fleet.holdAll(pointsOf(HOLD_POINTS, round));
        await sluice.killServer();
        await fleet.holds.breakOff(NAME);
        await fleet.holds.release();
        await sluice.start();
        await fleet.expectEnds(held);
      },
      TEST_TIMEOUT_MS
    );

    test(
      "kill -9 of the agent while it builds and while it starts replicas: the next one takes over, and both end once",
      async () => {
        const before = agentPid(sluice.agentDir);
        const held = await fleet.holdAll(pointsOf(AGENT_POINTS, round));
        process.kill(before, "SIGKILL");
        await eventually("another agent", WAIT_MS, () => Promise.resolve(agentPid(sluice.agentDir) !== before));
        await fleet.holds.release();
        await fleet.expectEnds(held);
      },
      TEST_TIMEOUT_MS
    );
  });

  test(
    "matrix 31: without Redis a deployment ends well; runs follow when it is back",
    async () => {
      const { client, bundle } = fleet.place("queued");
      await stores.redis.kill();
      const id = (await client.deploy(bundle)).replace("deployment_", "");
      const end = await endOf(stores.services.pool, id, WAIT_MS);
      expect(end).toMatchObject({ phase: "ready", status: "DEPLOYED", promotions: 1 });
      await stores.redis.restart();
      expect(await client.run("hello", { name: "Redis" })).toMatchObject({ status: "COMPLETED", version: end.version });
    },
    TEST_TIMEOUT_MS
  );

  test(
    "nothing of it all is left running",
    async () => {
      const root = rootOf(sluice.agentDir);
      expect(processesBelow(root)).not.toEqual([]);
      await sluice.stop();
      await eventually("the end of all processes", WAIT_MS, () => {
        const left = processesBelow(root);
        if (left.length === 0) return Promise.resolve(true);
        throw new Error(left.join("\n"));
      });
    },
    TEST_TIMEOUT_MS
  );
});

describe("two servers on the same stores", () => {
  const NAMES = ["sluice-one", "sluice-two"] as const;
  let stores: Stores;
  let balancer: Balancer;
  let servers: Sluice[];
  let agent: Spawned;
  let agentDir: string;
  let sharedDir: string;
  let fleet: Fleet;

  beforeAll(async () => {
    stores = await openStores();
    sharedDir = mkdtempSync(path.join(os.tmpdir(), "sluice-e2e-shared-"));
    const ports: number[] = [];
    balancer = await Balancer.start(ports);
    const env = {
      ...TIMEOUTS,
      PUBLIC_URL: balancer.origin,
      RELEASE_STORE_URL: pathToFileURL(path.join(sharedDir, "releases")).href,
    };
    servers = [];
    for (const name of NAMES) servers.push(await startSluice({ stores: urls(stores, name), env }));
    ports.push(...servers.map(({ port }) => port));
    // Uploads are kept in the data directory, which is one server's alone: servers mount the folder of uploads.
    mkdirSync(path.join(sharedDir, "artifacts"));
    for (const server of servers) symlinkSync(path.join(sharedDir, "artifacts"), path.join(path.dirname(server.agentDir), "artifacts"));
    agentDir = mkdtempSync(path.join(os.tmpdir(), "sluice-e2e-agent-"));
    agent = await startAgent(stores, balancer.origin, agentDir);
    const [first] = servers;
    if (!first) throw new Error("There is no server.");
    const bundle = await bundleFrom(first, sharedDir, stores);
    fleet = await Fleet.create({ pool: stores.services.pool, bundle, server: first, origin: () => balancer.origin });
  }, SETUP_TIMEOUT_MS);
  afterAll(async () => {
    await agent?.kill("SIGTERM");
    await Promise.all((servers ?? []).map((server) => server.remove()));
    await balancer?.stop();
    for (const directory of [agentDir, sharedDir]) if (directory) rmSync(directory, { recursive: true, force: true });
    await fleet?.holds.close();
    if (stores) await closeStores(stores);
  });

  const lease = async () => {
    const { rows } = await stores.services.pool.query<{ epoch: number; holder: string }>("SELECT epoch, holder FROM deployer_lease");
    return rows[0] ?? { epoch: 0, holder: "" };
  };

  test.each(ROUNDS)(
    "kill -9 of the deployer inside each of the six phases, round %i: the other server ends all deployments, once",
    async (round) => {
      const held = await fleet.holdAll(pointsOf(HOLD_POINTS, round));
      const { epoch, holder } = await lease();
      const at = servers.findIndex(({ pid }) => holder.split(":")[1] === String(pid));
      const deployer = servers[at];
      const name = NAMES[at];
      if (!deployer || !name) throw new Error(`The deployer is ${holder}, which is none of the servers.`);
      await deployer.killServer();
      await fleet.holds.breakOff(name);
      await fleet.holds.release();
      await eventually("another deployer", WAIT_MS, async () => (await lease()).epoch > epoch);
      await fleet.expectEnds(held);
      await deployer.start();
    },
    TEST_TIMEOUT_MS
  );

  test(
    "nothing of it all is left running",
    async () => {
      const root = rootOf(agentDir);
      expect(processesBelow(root)).not.toEqual([]);
      await agent.kill("SIGTERM");
      expect(processesBelow(root)).toEqual([]);
    },
    TEST_TIMEOUT_MS
  );
});

async function startAgent({ services: { pool } }: Stores, url: string, dataDir: string): Promise<Spawned> {
  const { rows } = await pool.query<{ id: string }>("SELECT id FROM region WHERE name = 'local'");
  const { token } = await new AgentTokens({ pool, clock: systemClock }).create(rows[0]?.id ?? "");
  const args = ["--url", url, "--region", "local", "--data-dir", dataDir, "--drain-seconds", "0"];
  return spawnGroup(process.execPath, [path.join(repoRoot, "build/agent.js"), ...args], {
    cwd: repoRoot,
    env: { PATH: process.env.PATH, SLUICE_AGENT_TOKEN: token, LOG_LEVEL: "warn" },
  });
}
