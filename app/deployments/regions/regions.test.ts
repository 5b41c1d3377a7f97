import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { desiredStateSchema, type ChangesAnswer, type DesiredState, type ReportAnswer } from "../../../agent/protocol";
import { createDeployedFixture, TEST_CAPABILITIES, type DeployedFixture } from "../../../test/deployedFixture";
import { judgeReadiness } from "../readiness";
import { ensureAgentFile } from "./agentFile.server";

let f: DeployedFixture;

beforeAll(async () => {
  f = await createDeployedFixture();
});
afterAll(() => f.close());

const ACTIONS = "/engine/v1/worker-actions/deployments";
type Agent = ReturnType<DeployedFixture["agent"]>;

async function desired(agent: Agent): Promise<DesiredState> {
  const { status, body } = await agent.get<DesiredState>(`${ACTIONS}/desired`);
  expect(status).toBe(200);
  return desiredStateSchema.parse(body);
}
const replicasOf = (state: DesiredState, id: string) => state.deployments.find((one) => one.id === id)?.replicas ?? 0;
const changes = (agent: Agent, after: number, waitMs: number) =>
  agent.get<ChangesAnswer>(`${ACTIONS}/changes?after=${after}&waitMs=${waitMs}`);
const report = (agent: Agent, instances: unknown[]) => agent.post<ReportAnswer>(`${ACTIONS}/report`, { instances });
const instance = (deploymentId: string, over: Record<string, unknown> = {}) => ({
  ...{ runnerId: "r1", deploymentId, pid: 7, state: "running", message: null, restarts: 0 },
  ...over,
});

/** A region of the test's own with agents of these names. */
async function region(name: string, ...names: string[]): Promise<Agent[]> {
  const { token } = await f.region(name);
  const agents = names.map((instanceName) => f.agent(token, instanceName));
  for (const agent of agents) await agent.introduce();
  return agents;
}

describe("desired state", () => {
  it("tells an agent everything that it needs to run a version", async () => {
    const [agent] = await region("full", "one");
    const deployment = await f.deploy({ regions: { full: 2 } });
    const state = await desired(agent as Agent);
    expect(state.deployments).toMatchObject([
      {
        id: deployment.id,
        friendlyId: `deployment_${deployment.id}`,
        version: deployment.version,
        environmentId: f.prod.id,
        environmentSlug: "prod",
        projectRef: f.prod.project.ref,
        projectId: f.prod.project.id,
        organizationId: f.prod.organization.id,
        releaseDigest: deployment.digest,
        replicas: 2,
        machine: { name: "small-1x", cpu: 0.5, memory: 0.5 },
        processKeepAlive: false,
        isCurrent: true,
      },
    ]);
    expect(state.deployments[0]?.otlpEndpoint).toContain("/otel/");
  });

  it("matrix 18: spreads replicas over two agents and gives a silent one's to the other, who hears of it", async () => {
    const [one, two] = (await region("pair", "one", "two")) as [Agent, Agent];
    const { id } = await f.deploy({ regions: { pair: 2 } });
    expect([replicasOf(await desired(one), id), replicasOf(await desired(two), id)]).toEqual([1, 1]);
    const { cursor } = await desired(two);
    f.clock.advance(29_000);
    await two.introduce();
    await f.app.regions.loop.runOnce();
    expect(replicasOf(await desired(two), id)).toBe(1);
    f.clock.advance(2_000);
    const held = changes(two, cursor, 10_000);
    await f.app.regions.loop.runOnce();
    expect((await held).body.deploymentIds).toEqual([id]);
    expect(replicasOf(await desired(two), id)).toBe(2);
    expect(replicasOf(await desired(one), id)).toBe(0);
  });

  it("does not take what failed, was stopped, or belongs to an archived environment", async () => {
    const [agent] = (await region("ends", "one")) as [Agent];
    const failed = await f.deploy({ regions: { ends: 1 }, phase: "network" });
    const stopped = await f.deploy({ regions: { ends: 1 }, current: false });
    expect((await desired(agent)).deployments.map((one) => one.id)).toEqual([failed.id, stopped.id]);
    await f.services.pool.query("UPDATE deployment SET phase = 'failed', status = 'FAILED' WHERE id = $1", [failed.id]);
    await f.services.pool.query("UPDATE deployment_topology SET desired_status = 'stopped' WHERE deployment_id = $1", [stopped.id]);
    expect((await desired(agent)).deployments).toEqual([]);
    const single = await agent.get(`${ACTIONS}/${stopped.id}`);
    expect(single).toMatchObject({ status: 200, body: { id: stopped.id, replicas: 0, releaseDigest: stopped.digest } });
  });

  it("describes one version only to a region that holds it", async () => {
    const [agent] = (await region("holder", "one")) as [Agent];
    const elsewhere = await f.deploy({ regions: { ends: 1 }, current: false });
    expect((await agent.get(`${ACTIONS}/${elsewhere.id}`)).status).toBe(404);
    expect((await agent.get(`${ACTIONS}/nonsense`)).status).toBe(404);
  });

  it("an upstream supervisor, which says nothing of itself, gets no replicas", async () => {
    const { token } = await f.region("upstream");
    const supervisor = f.agent(token, "upstream");
    await supervisor.connect({ metadata: { workerVersion: "4.8.3" } });
    await f.deploy({ regions: { upstream: 1 }, current: false });
    expect((await desired(supervisor)).deployments).toEqual([]);
  });

  it("refuses an introduction that is wrong, naming what", async () => {
    const { token } = await f.region("wrong");
    const agent = f.agent(token);
    for (const metadata of [
      { slots: 0, capabilities: TEST_CAPABILITIES },
      { slots: 2, capabilities: { ...TEST_CAPABILITIES, roles: ["king"] } },
    ]) {
      expect((await agent.post("/engine/v1/worker-actions/connect", { metadata })).status).toBe(400);
    }
  });
});

describe("changes", () => {
  it("is held until something changes in the region, and hears nothing of others", async () => {
    const [agent] = (await region("listener", "one")) as [Agent];
    const { cursor } = await desired(agent);
    expect((await changes(agent, cursor, 50)).body).toEqual({ deploymentIds: [], cursor });
    const held = changes(agent, cursor, 15_000);
    await f.deploy({ regions: { elsewhere: 1 }, current: false });
    const mine = await f.deploy({ regions: { listener: 1 }, current: false });
    const answer = (await held).body;
    expect(answer.deploymentIds).toEqual([mine.id]);
    expect(answer.cursor).toBeGreaterThan(cursor);
    expect((await changes(agent, answer.cursor, 0)).body.deploymentIds).toEqual([]);
  });

  it("tells of a change that committed after a later one", async () => {
    const [agent] = (await region("late", "one")) as [Agent];
    const { id } = await f.deploy({ regions: { full: 1 }, current: false });
    const { rows } = await f.services.pool.query<{ id: string }>("SELECT id FROM region WHERE name = 'late'");
    const slow = await f.services.pool.connect();
    const insert = "INSERT INTO deployment_change (region_id, deployment_id) VALUES ($1, $2)";
    await slow.query("BEGIN");
    await slow.query(insert, [rows[0]?.id, id]);
    await f.services.pool.query(insert, [rows[0]?.id, "another"]);
    const { cursor } = await desired(agent);
    const held = changes(agent, cursor, 10_000);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await slow.query("COMMIT");
    slow.release();
    expect((await held).body).toEqual({ deploymentIds: [id], cursor });
  });

  it("names a bad cursor", async () => {
    const [agent] = (await region("listener", "one")) as [Agent];
    const answer = await agent.get<{ error: string }>(`${ACTIONS}/changes?after=x`);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toContain("after");
  });
});

describe("reports and health", () => {
  it("stores the whole set of the reporting agent, touches no other's, and wakes the waiting deployment once a change", async () => {
    const [one, two] = (await region("reports", "one", "two")) as [Agent, Agent];
    const { id } = await f.deploy({ regions: { reports: 2 }, phase: "network" });
    f.signals.length = 0;
    expect((await report(one, [instance(id), instance(id, { runnerId: "r2", state: "preparing", pid: null })])).body).toEqual({
      ok: true,
      unknown: [],
    });
    expect(f.signals).toEqual([{ id, topic: "health" }]);
    await report(one, [instance(id), instance(id, { runnerId: "r2", state: "preparing", pid: null })]);
    expect(f.signals).toHaveLength(1);
    await report(two, [instance(id)]);
    await report(one, [instance(id, { runnerId: "r2" })]);
    expect(f.signals).toHaveLength(3);
    const { rows } = await f.services.pool.query<{ runner_id: string; state: string }>(
      "SELECT runner_id, state FROM deployment_instance WHERE deployment_id = $1 ORDER BY runner_id",
      [id]
    );
    expect(rows).toEqual([
      { runner_id: "r1", state: "running" },
      { runner_id: "r2", state: "running" },
    ]);
    expect((await report(one, [instance("c0000000000000000000000zz")])).body.unknown).toEqual(["c0000000000000000000000zz"]);
    await report(two, []);
    expect((await f.services.pool.query("SELECT 1 FROM deployment_instance WHERE deployment_id = $1", [id])).rowCount).toBe(0);
  });

  it("wakes nobody for a deployment that is not waiting, and stores NUL-free text", async () => {
    const [one] = (await region("reports", "one")) as [Agent];
    const { id } = await f.deploy({ regions: { reports: 1 }, current: false });
    f.signals.length = 0;
    await report(one, [instance(id, { state: "failed", message: "no\0pe" })]);
    expect(f.signals).toEqual([]);
    expect((await f.app.regions.health(id))[0]?.message).toBe("nope");
  });

  it("matrix 18: judges regions by fresh instances: two regions are ready only when both are", async () => {
    const [left] = (await region("left", "one")) as [Agent];
    const [right] = (await region("right", "one")) as [Agent];
    const { id } = await f.deploy({ regions: { left: 1, right: 1 }, phase: "network" });
    expect(judgeReadiness("min2", await f.app.regions.health(id)).kind).toBe("waiting");
    await report(left, [instance(id)]);
    expect(judgeReadiness("min2", await f.app.regions.health(id))).toMatchObject({ kind: "waiting", healthy: 1 });
    await report(right, [instance(id, { state: "preparing" })]);
    expect(judgeReadiness("min2", await f.app.regions.health(id)).kind).toBe("waiting");
    await report(right, [instance(id)]);
    expect(judgeReadiness("min2", await f.app.regions.health(id))).toEqual({ kind: "ready", healthy: 2 });
    f.clock.advance(31_000);
    expect((await f.app.regions.health(id)).map((one) => one.running)).toEqual([0, 0]);
    expect((await f.app.regions.health(id)).map((one) => one.message)).toEqual(["no agent is connected", "no agent is connected"]);
  });

  it("gives a region up whose replicas have failed for good, with the agent's reason", async () => {
    const [agent] = (await region("sick", "one")) as [Agent];
    const { id } = await f.deploy({ regions: { sick: 1 }, phase: "network" });
    await report(agent, [instance(id, { state: "failed", message: "crash loop: exit code 1", pid: null, restarts: 5 })]);
    expect(judgeReadiness("min2", await f.app.regions.health(id))).toMatchObject({
      kind: "hopeless",
      text: "Only 0 of 1 region can become healthy, 1 required. sick: crash loop: exit code 1",
    });
  });
});

describe("regions", () => {
  it("a new environment starts in region local with one replica, a dev one nowhere", async () => {
    expect(await f.app.regions.directory.settingsOf(f.prod.id)).toEqual([{ regionId: "local", region: "local", replicas: 1 }]);
    const dev = await f.environment("dev");
    expect(await f.app.regions.directory.settingsOf(dev.id)).toEqual([]);
  });

  it("lists regions with agents, and refuses names that are no DNS labels", async () => {
    await region("shown", "one");
    const shown = (await f.app.regions.directory.list()).find((one) => one.name === "shown");
    expect(shown).toMatchObject({
      connected: 1,
      agents: [{ instanceName: "one", connected: true, slots: 4, capabilities: { isolation: "L0" } }],
    });
    for (const name of ["", "EU", "-eu", "e u", "x".repeat(64)]) {
      await expect(f.app.regions.directory.ensure(name)).rejects.toMatchObject({ status: 400 });
    }
  });

  it("writes agent.json once, keeps a token that works, and replaces one that does not", async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), "sluice-agent-"));
    const input = { pool: f.services.pool, clock: f.clock, file: path.join(directory, "agent.json"), url: f.url };
    const first = await ensureAgentFile(input);
    expect((await stat(input.file)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(input.file, "utf8"))).toEqual({ url: f.url, token: first.token, region: "local" });
    const agent = f.agent(first.token, "by-file");
    await agent.introduce();
    expect((await ensureAgentFile(input)).token).toBe(first.token);
    await writeFile(input.file, JSON.stringify({ ...first, token: "tr_wgt_0123456789abcdef0123" }));
    expect((await ensureAgentFile(input)).token).not.toBe(first.token);
    await writeFile(input.file, "{");
    expect((await ensureAgentFile(input)).token).toMatch(/^tr_wgt_/);
    await rm(directory, { recursive: true });
  });
});
