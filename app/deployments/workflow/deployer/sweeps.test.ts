/** What the deployer repairs, follow-ups, and what an idle deployer costs. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createWorkflowFixture, type WorkflowFixture } from "../../../../test/workflowFixture";
import { createTestWorkflow, type TestWorkflow } from "../../../../test/support/deploymentWorkflow";
import { waitFor } from "../../../../test/tenant";
import { inTransaction } from "../../../platform/db.server";
import { addJob } from "./jobs.server";

let f: WorkflowFixture;
let w: TestWorkflow;
let failures = 0;
const handled: string[] = [];
const extra: string[] = [];
beforeAll(async () => {
  f = await createWorkflowFixture();
  w = await f.startWorkflow({
    ports: {
      jobs: {
        release_waiting_runs: () => Promise.resolve(),
        flaky: (job) => (failures-- > 0 ? Promise.reject(new Error("engine is away")) : Promise.resolve(void handled.push(job.id))),
      },
      sweeps: [
        { name: "broken", run: () => Promise.reject(new Error("broken")) },
        { name: "lifecycle", run: () => Promise.resolve(void extra.push("ran")) },
      ],
    },
  });
  await waitFor(() => w.workflow.epoch() !== null);
});
afterAll(() => f.close());
beforeEach(async () => {
  f.actors.build = () => "succeed";
  f.actors.report = () => "running";
  await f.cancelAll();
});

const sweep = () => w.workflow.loops.sweeps.runOnce();
const run = (sql: string, values: unknown[]) => f.pool.query(sql, values);

describe("deadlines", () => {
  it("76: end a deployment as TIMED_OUT, only from the step whose time has passed", async () => {
    f.actors.build = () => "hold";
    const late = await f.deploy();
    await waitFor(async () => (await f.state(late.id)).jobs[0]?.state === "claimed");
    const other = await f.deploy(f.tenant.staging);
    await run("UPDATE deployment_step SET started_at = now() - interval '3 hours' WHERE deployment_id = $1 AND step <> 'building'", [
      late.id,
    ]);
    await sweep();
    expect(await f.phaseOf(late.id)).toBe("building");
    await run("UPDATE deployment_step SET started_at = now() - interval '3 hours' WHERE deployment_id = $1 AND step = 'building'", [
      late.id,
    ]);
    await sweep();
    const state = await f.state(late.id);
    expect(state.deployment).toMatchObject({ phase: "failed", status: "TIMED_OUT", failure_step: "building", failure_code: "timed_out" });
    expect(state.deployment?.error_data).toMatchObject({ message: "The step building did not end within 180 minutes." });
    await waitFor(async () => (await f.state(late.id)).slots.length === 0);
    expect((await f.state(other.id)).deployment?.phase).not.toBe("failed");
  });
});

describe("repairs", () => {
  it("77, matrix 24: stop what runs, close what is open and free what is held of a deployment that has failed", async () => {
    const { id } = await f.deploy();
    await f.untilEnded(id);
    await run(
      'UPDATE deployment SET phase = \'failed\', status = \'FAILED\', error_data = \'{"name":"Error","message":"it broke"}\' WHERE id = $1',
      [id]
    );
    await run("UPDATE deployment_step SET ended_at = NULL WHERE deployment_id = $1 AND step = 'network'", [id]);
    await run("UPDATE build_job SET state = 'claimed' WHERE deployment_id = $1", [id]);
    await run(
      "INSERT INTO build_slot (deployment_id, organization_id, state, priority, enqueued_at, lease_until) VALUES ($1, $2, 'active', 0, now(), now() + interval '1 hour')",
      [id, f.tenant.prod.organization.id]
    );
    const changes = async () => (await run("SELECT 1 FROM deployment_change WHERE deployment_id = $1", [id])).rows.length;
    const before = await changes();
    await sweep();
    const state = await f.state(id);
    expect(state.topology.map((row) => row.desired_status)).toEqual(["stopped"]);
    expect(await changes()).toBe(before + 1);
    expect(state.slots).toEqual([]);
    expect(state.jobs).toEqual([{ attempt: 1, state: "abandoned" }]);
    expect(state.steps.find((step) => step.step === "network")).toMatchObject({
      ended: true,
      error: "it broke",
      error_summary: "it broke",
    });
    await sweep();
    expect(await changes()).toBe(before + 1);
  });

  it("run one after the other, whatever one of them does", async () => {
    const before = extra.length;
    await sweep();
    expect(extra.length).toBe(before + 1);
  });
});

describe("deployments that nobody drives", () => {
  it("are begun when their workflow is missing", async () => {
    const { id } = await f.deploy();
    await run("DELETE FROM dbos.workflow_status WHERE workflow_uuid = $1 AND status = 'ENQUEUED'", [`deploy:deployment_${id}`]);
    await waitFor(async () => {
      await sweep();
      return (await f.phaseOf(id)) === "ready";
    }, 20_000);
  });

  it("are ended when their workflow gave up", async () => {
    f.actors.build = () => "hold";
    const { id } = await f.deploy();
    await waitFor(async () => (await f.state(id)).jobs[0]?.state === "claimed");
    // As after a bug: DBOS holds the workflow to be finished, and no process runs it.
    await w.workflow.stopLoops();
    await run("UPDATE dbos.workflow_status SET status = 'ERROR' WHERE workflow_uuid = $1", [`deploy:deployment_${id}`]);
    await w.workflow.startLoops();
    await waitFor(async () => {
      await sweep();
      return (await f.phaseOf(id)) === "failed";
    }, 20_000);
    expect((await f.state(id)).deployment?.error_data).toMatchObject({ message: "The deployment's workflow ended without a result." });
    expect((await f.state(id)).slots).toEqual([]);
  });
});

describe("follow-ups", () => {
  const add = (id: string) =>
    inTransaction(f.pool, (tx) =>
      addJob(tx, { kind: id, environmentId: f.tenant.prod.id, deploymentId: null, generation: null, nowMs: Date.now() })
    );
  const left = async () =>
    (await f.pool.query<{ attempts: number; last_error: string | null }>("SELECT attempts, last_error FROM deployment_job")).rows;

  it("are tried again until their handler has done them", async () => {
    failures = 2;
    await add("flaky");
    await waitFor(async () => {
      await run("UPDATE deployment_job SET next_at = now() WHERE attempts > 0", []);
      await w.workflow.loops.jobs.runOnce();
      return handled.length === 1;
    });
    await waitFor(async () => (await left()).length === 0);
  });

  it("without a handler stay, with the reason", async () => {
    await add("nonsense");
    await w.workflow.loops.jobs.runOnce();
    await waitFor(async () => (await left())[0]?.last_error === "No handler for jobs of kind nonsense.");
    await f.pool.query("DELETE FROM deployment_job");
  });

  it("are taken by one of two processes", async () => {
    const other = createTestWorkflow({
      databaseUrl: f.databaseUrl,
      ports: { jobs: { flaky: (job) => Promise.resolve(void handled.push(job.id)) } },
    });
    handled.length = 0;
    for (let n = 0; n < 10; n += 1) await add("flaky");
    await Promise.all([other.workflow.loops.jobs.runOnce(), w.workflow.loops.jobs.runOnce()]);
    await waitFor(async () => (await left()).length === 0);
    expect(new Set(handled).size).toBe(10);
    expect(handled).toHaveLength(10);
    await other.stop();
  });
});
