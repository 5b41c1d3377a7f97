/** The six steps from create to current, on real Postgres and real DBOS. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWorkflowFixture, type WorkflowFixture } from "../../../test/workflowFixture";
import type { TestWorkflow } from "../../../test/support/deploymentWorkflow";
import { inTransaction } from "../../platform/db.server";
import { waitFor } from "../../../test/tenant";

let f: WorkflowFixture;
let w: TestWorkflow;
beforeAll(async () => {
  f = await createWorkflowFixture();
  w = await f.startWorkflow();
});
afterAll(() => f.close());

describe("a deployment that goes well", () => {
  it("54: writes six closed steps in order with matching statuses and becomes current", async () => {
    const seen: string[] = [];
    await f.pool.query(
      "CREATE TABLE seen (n serial, phase text, status text); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen (phase, status) VALUES (NEW.phase, NEW.status); RETURN NULL; END $$; CREATE TRIGGER note AFTER INSERT OR UPDATE OF phase ON deployment FOR EACH ROW EXECUTE FUNCTION note()"
    );
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("ready");
    const state = await f.state(id);
    expect(state.steps.map(({ step, ended, error }) => [step, ended, error])).toEqual(
      ["queued", "starting", "building", "deploying", "network", "finalizing"].map((step) => [step, true, null])
    );
    const { rows } = await f.pool.query<{ phase: string; status: string }>("SELECT phase, status FROM seen ORDER BY n");
    for (const { phase, status } of rows) if (seen.at(-1) !== `${phase} ${status}`) seen.push(`${phase} ${status}`);
    expect(seen).toEqual([
      "queued PENDING",
      "starting INSTALLING",
      "building BUILDING",
      "deploying DEPLOYING",
      "network DEPLOYING",
      "finalizing DEPLOYING",
      "ready DEPLOYED",
    ]);
    expect(state.deployment).toMatchObject({ status: "DEPLOYED", image_reference: `release://sha256:digest-${id}` });
    expect(state.topology).toEqual([{ region: "local", desired_status: "running", desired_replicas: 1 }]);
    expect([state.routes.length, state.slots.length, state.workers.length]).toEqual([1, 0, 1]);
    expect(state.promotions).toEqual([{ kind: "auto_promote" }]);
    expect(state.events.filter((event) => event.type === "finalized")).toHaveLength(1);
    await waitFor(() => w.released.includes(f.tenant.prod.id));
  });

  it("72: starts once, however often it is started", async () => {
    const { id } = await f.deploy(f.tenant.staging);
    await inTransaction(f.pool, (tx) => f.engine.startOnce(tx, id));
    await f.untilEnded(id);
    await inTransaction(f.pool, (tx) => f.engine.startOnce(tx, id));
    const { rows } = await f.pool.query("SELECT 1 FROM dbos.workflow_status WHERE workflow_uuid = $1", [`deploy:deployment_${id}`]);
    expect(rows).toHaveLength(1);
    expect((await f.state(id)).events.filter((event) => event.type === "finalized")).toHaveLength(1);
  });

  it("is not started when the transaction that creates it is rolled back", async () => {
    const failed = inTransaction(f.pool, async (tx) => {
      await f.engine.startOnce(tx, "rolled-back");
      throw new Error("no");
    });
    await expect(failed).rejects.toThrow("no");
    const { rows } = await f.pool.query("SELECT 1 FROM dbos.workflow_status WHERE workflow_uuid = 'deploy:deployment_rolled-back'");
    expect(rows).toHaveLength(0);
  });

  it("stops the engine when no deployment is on its way, and starts it again for the next", async () => {
    const connections = async () =>
      (await f.pool.query("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sluice-deployer'"))
        .rows.length;
    await waitFor(async () => (await connections()) === 0, 15_000);
    const { id } = await f.deploy(f.tenant.staging);
    expect(await f.untilEnded(id)).toBe("ready");
  });
});
