/** The database is away while deployments wait: they go on when it is back, and nothing has failed. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import pg from "pg";
import { createWorkflowFixture, type WorkflowFixture } from "../../../test/workflowFixture";
import type { TestWorkflow } from "../../../test/support/deploymentWorkflow";
import { createTenant, waitFor, type Tenant } from "../../../test/tenant";

let f: WorkflowFixture;
let w: TestWorkflow;
beforeAll(async () => {
  f = await createWorkflowFixture();
  w = await f.startWorkflow();
});
afterAll(() => f.close());

/** Refuses and ends all connections of this file's database for as long as the lease lasts and longer. */
async function outage(during: () => Promise<void>): Promise<void> {
  const admin = new pg.Client({ connectionString: inject("stores").adminUrl });
  await admin.connect();
  const name = new URL(f.databaseUrl).pathname.slice(1);
  try {
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", [name]);
    await during();
  } finally {
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    await admin.end();
  }
}

describe("an outage of Postgres", { timeout: 120_000 }, () => {
  it("75, matrix 32: during each wait is survived", async () => {
    const tenants: Tenant[] = [];
    for (let n = 0; n < 3; n += 1) tenants.push(await createTenant(f.environments));
    const [one, two, three] = tenants;
    if (!one || !two || !three) throw new Error("Three tenants are needed.");
    f.actors.build = (id) => (id === building.id ? "hold" : "succeed");
    f.actors.report = (id) => (id === deploying.id ? null : "running");
    await f.actors.addRegion("eu");
    await f.pool.query("UPDATE agent SET capabilities = jsonb_set(capabilities, '{roles}', '[\"builder\"]') WHERE region_id = $1", [
      f.actors.regions.get("eu")?.id,
    ]);
    await f.actors.setRegions(three.prod.id, { eu: 1, local: 1 });
    const building: { id: string } = await f.deploy(one.prod);
    const deploying: { id: string } = await f.deploy(two.prod);
    const starting = await f.deploy(three.prod);
    await waitFor(async () => (await f.state(building.id)).jobs[0]?.state === "claimed", 15_000);
    const queued = await f.deploy(one.staging);
    await waitFor(async () => (await f.state(queued.id)).slots[0]?.state === "waiting", 15_000);
    await waitFor(async () => (await f.state(deploying.id)).topology.length === 1, 15_000);
    await f.untilPhase(starting.id, "starting");
    await outage(() => waitFor(() => w.workflow.epoch() === null, 20_000));
    await waitFor(() => w.workflow.epoch() !== null, 20_000);
    const places = await Promise.all([queued, starting, building, deploying].map(({ id }) => f.phaseOf(id)));
    expect(places).toEqual(["queued", "starting", "building", "deploying"]);
    await f.pool.query("UPDATE agent SET capabilities = jsonb_set(capabilities, '{roles}', '[\"runner\"]')");
    f.actors.build = () => "succeed";
    f.actors.report = () => "running";
    await f.actors.endBuild(building.id, 1, "succeed");
    for (const { id } of [queued, starting, building, deploying]) expect(await f.untilEnded(id, 60_000)).toBe("ready");
    for (const { id } of [queued, starting, building, deploying]) {
      const state = await f.state(id);
      expect(state.steps.every((step) => step.ended && step.error === null)).toBe(true);
      expect(state.events.filter((event) => event.type === "finalized")).toHaveLength(1);
    }
  });
});

describe("a deployment that was begun by an earlier version of the server", { timeout: 60_000 }, () => {
  it("73, matrix 36: is finished by the workflow under whose name it was begun", async () => {
    f.actors.build = () => "hold";
    const { id } = await f.deploy();
    await waitFor(async () => (await f.state(id)).jobs[0]?.state === "claimed", 15_000);
    await w.workflow.stopLoops();
    const { rows } = await f.pool.query<{ name: string; version: string }>(
      "SELECT name, application_version AS version FROM dbos.workflow_status WHERE workflow_uuid = $1",
      [`deploy:deployment_${id}`]
    );
    expect(rows).toEqual([{ name: "deploy-v1", version: "deploy-1" }]);
    // The next server brings another version beside it; both are registered, each goes on with its own.
    const { DBOS } = await import("@dbos-inc/dbos-sdk");
    DBOS.registerWorkflow(() => Promise.reject(new Error("not mine")), { name: "deploy-v2" });
    f.actors.build = () => "succeed";
    await w.workflow.startLoops();
    await f.actors.endBuild(id, 1, "succeed");
    expect(await f.untilEnded(id)).toBe("ready");
  });
});
