/** Build slots under load, their order, and slots of the dead. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createWorkflowFixture, type WorkflowFixture } from "../../../test/workflowFixture";
import type { TestWorkflow } from "../../../test/support/deploymentWorkflow";
import { createTenant, type Tenant, waitFor } from "../../../test/tenant";
import { inTransaction } from "../../platform/db.server";
import { createAuditLog } from "../audit.server";
import { insertDeployment } from "../rows/insertDeployment.server";
import { systemClock as clock } from "../../platform/clock";

let f: WorkflowFixture;
let w: TestWorkflow;
beforeAll(async () => {
  f = await createWorkflowFixture();
  w = await f.startWorkflow();
});
afterAll(() => f.close());
beforeEach(async () => {
  f.actors.build = () => "succeed";
  await f.cancelAll();
});

const slot = async (id: string) => (await f.state(id)).slots[0]?.state;

describe("build slots", () => {
  it("8: go to production first, then to whoever came first", async () => {
    f.actors.build = () => "hold";
    const holder = await f.deploy(f.tenant.staging);
    await f.untilPhase(holder.id, "building");
    const staging = [await f.deploy(f.tenant.staging), await f.deploy(f.tenant.staging)];
    const prod = [await f.deploy(), await f.deploy()];
    for (const { id } of [...staging, ...prod]) await waitFor(async () => (await slot(id)) === "waiting");
    f.actors.build = () => "succeed";
    await f.actors.endBuild(holder.id, 1, "succeed");
    for (const { id } of [...staging, ...prod]) expect(await f.untilEnded(id)).toBe("ready");
    const { rows } = await f.pool.query<{ id: string }>(
      "SELECT deployment_id AS id FROM deployment_step WHERE step = 'starting' AND deployment_id <> $1 ORDER BY started_at",
      [holder.id]
    );
    expect(rows.map((row) => row.id)).toEqual([...prod, ...staging].map((deployment) => deployment.id));
  });

  it("68, matrix 6: of a holder that is gone are freed when their lease runs out", async () => {
    const nobody = { start: () => Promise.resolve() };
    const env = f.tenant.prod;
    const dead = await inTransaction(f.pool, (tx) =>
      insertDeployment(
        tx,
        { audit: createAuditLog({ clock }), workflow: nobody },
        {
          ...{
            env,
            contentHash: "h",
            runtime: null,
            fromBundle: true,
            configFilePath: null,
            artifactKey: null,
            bundleKey: null,
            skipPromotion: false,
          },
          ...{
            buildEnvVarsCipher: null,
            triggeredById: null,
            triggeredVia: null,
            git: null,
            commitSha: null,
            externalId: null,
            requestKey: null,
          },
          ...{
            redeployOfId: null,
            event: "deployment.create",
            actor: { type: "system", id: "t", name: null, ip: null, userAgent: null, correlationId: null },
          },
        },
        Date.now()
      )
    );
    await f.pool.query(
      "INSERT INTO build_slot (deployment_id, organization_id, state, priority, enqueued_at, lease_until) VALUES ($1, $2, 'active', 0, now(), now() + interval '1 hour')",
      [dead.id, env.organization.id]
    );
    const { id } = await f.deploy();
    await waitFor(async () => (await slot(id)) === "waiting");
    await f.pool.query("UPDATE build_slot SET lease_until = now() - interval '1 second' WHERE deployment_id = $1", [dead.id]);
    await w.workflow.loops.sweeps.runOnce();
    expect(await f.untilEnded(id)).toBe("ready");
    // Nobody drives it: its own deadline ends it.
    await f.pool.query("UPDATE deployment_step SET started_at = now() - interval '3 hours' WHERE deployment_id = $1", [dead.id]);
    await w.workflow.loops.sweeps.runOnce();
    expect((await f.state(dead.id)).deployment).toMatchObject({ phase: "failed", status: "TIMED_OUT", failure_step: "queued" });
  });

  it("67: 5 organizations with 10 deployments each stay within their cap, and all come through", { timeout: 180_000 }, async () => {
    await f.pool.query(
      `CREATE TABLE most (organization_id text, active bigint);
       CREATE FUNCTION count_slots() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         INSERT INTO most SELECT NEW.organization_id, count(*) FROM build_slot WHERE organization_id = NEW.organization_id AND state = 'active'; RETURN NULL; END $$;
       CREATE TRIGGER count_slots AFTER UPDATE ON build_slot FOR EACH ROW EXECUTE FUNCTION count_slots()`
    );
    const tenants: Tenant[] = [];
    for (let n = 0; n < 5; n += 1) tenants.push(await createTenant(f.environments));
    for (const { prod } of tenants) {
      await f.pool.query("INSERT INTO deploy_setting (environment_id, concurrent_builds) VALUES ($1, 2)", [prod.id]);
    }
    const ids: string[] = [];
    for (let n = 0; n < 10; n += 1) for (const { prod } of tenants) ids.push((await f.deploy(prod)).id);
    for (const id of ids) expect([await f.untilEnded(id, 150_000), (await f.state(id)).deployment?.error_data]).toEqual(["ready", null]);
    const { rows } = await f.pool.query<{ most: number; organizations: number }>(
      "SELECT max(active) AS most, count(DISTINCT organization_id) AS organizations FROM most"
    );
    expect(rows[0]).toEqual({ most: 2, organizations: 5 });
  });
});
