/** What becomes current when deployments and people get in each other's way: real workflow, real promotions. */
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { ACTOR, createWorkflowFixture, type WorkflowFixture } from "../../../test/workflowFixture";
import { waitFor } from "../../../test/tenant";
import { systemClock as clock } from "../../platform/clock";
import { createAuditLog } from "../audit.server";
import { ChangeCurrentDeploymentService } from "../promotion/changeCurrentDeployment.server";

/** Several whole deployments a test, on a machine that may be busy. */
vi.setConfig({ testTimeout: 240_000 });

let f: WorkflowFixture;
let change: ChangeCurrentDeploymentService;
beforeAll(async () => {
  f = await createWorkflowFixture();
  await f.startWorkflow();
  change = new ChangeCurrentDeploymentService({
    ...{ pool: f.pool, clock, audit: createAuditLog({ clock }) },
    wake: () => Promise.resolve(false),
  });
});
afterAll(() => f.close());
beforeEach(() => {
  f.actors.build = () => "succeed";
});

type Deployed = { id: string; version: string };

async function ready(): Promise<Deployed> {
  const deployment = await f.deploy();
  expect(await f.untilEnded(deployment.id, 90_000)).toBe("ready");
  return deployment;
}

/** A deployment whose build goes on until `endBuild`. */
async function building(): Promise<Deployed> {
  f.actors.build = () => "hold";
  const deployment = await f.deploy();
  await waitFor(async () => (await f.state(deployment.id)).jobs[0]?.state === "claimed", 60_000);
  f.actors.build = () => "succeed";
  return deployment;
}

const current = async () =>
  (
    await f.pool.query<{ id: string; flag: boolean }>(
      "SELECT deployment_id AS id, is_rolled_back AS flag FROM deployment_promotion WHERE environment_id = $1",
      [f.tenant.prod.id]
    )
  ).rows[0];
const lastWords = async (id: string) => (await f.state(id)).events.find((event) => event.type === "finalized")?.body;
const move = (direction: "promote" | "rollback", { version }: Deployed) =>
  change.call({ env: f.tenant.prod, deployment: version, direction, allowRollbacks: false, actor: ACTOR });

it("80, matrix 29: an older build that ends after a newer one is deployed and says why it is not current", async () => {
  await f.pool.query("INSERT INTO deploy_setting (environment_id, concurrent_builds) VALUES ($1, 2)", [f.tenant.prod.id]);
  const older = await building();
  const newer = await ready();
  expect(await current()).toEqual({ id: newer.id, flag: false });
  await f.actors.endBuild(older.id, 1, "succeed");
  expect(await f.untilEnded(older.id, 90_000)).toBe("ready");
  expect(await lastWords(older.id)).toBe(`Deployed but not promoted: version ${newer.version} is newer.`);
  expect(await current()).toEqual({ id: newer.id, flag: false });
  expect((await f.state(older.id)).deployment?.status).toBe("DEPLOYED");
});

it("81, matrix 28: a rollback while one deploys: it ends well, and nobody but a person makes it current", async () => {
  const [one, two] = [await ready(), await ready()];
  const three = await building();
  await move("rollback", one);
  await f.actors.endBuild(three.id, 1, "succeed");
  expect(await f.untilEnded(three.id, 90_000)).toBe("ready");
  expect(await lastWords(three.id)).toBe(
    `Deployed but not promoted: the environment is rolled back to ${one.version}. Promote it to resume automatic promotion.`
  );
  expect(await current()).toEqual({ id: one.id, flag: true });
  await move("promote", three);
  expect(await current()).toEqual({ id: three.id, flag: false });
  const four = await ready();
  expect(await current()).toEqual({ id: four.id, flag: false });
  expect((await f.state(two.id)).promotions).toEqual([{ kind: "auto_promote" }]);
});

it("82: after a rollback that was confirmed the next deployment is current by itself", async () => {
  const [one] = [await ready(), await ready()];
  await move("rollback", one);
  expect(await current()).toEqual({ id: one.id, flag: true });
  await move("promote", one);
  expect(await current()).toEqual({ id: one.id, flag: false });
  const three = await ready();
  expect(await current()).toEqual({ id: three.id, flag: false });
});
