/** A cancel in every phase: the row ends at once, and what was done is undone. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createWorkflowFixture, holdLock, type WorkflowFixture } from "../../../test/workflowFixture";
import { waitFor } from "../../../test/tenant";
import { inTransaction } from "../../platform/db.server";
import { endDeployment } from "../rows/endDeployment.server";
import type { Phase } from "../phases";

let f: WorkflowFixture;
beforeAll(async () => {
  f = await createWorkflowFixture();
  await f.startWorkflow();
});
afterAll(() => f.close());
beforeEach(async () => {
  f.actors.build = () => "succeed";
  f.actors.report = () => "running";
  await f.cancelAll();
});

/** The workflow has gone through its compensation: nothing is left of the deployment. */
async function expectUndone(id: string, phase: Phase): Promise<void> {
  await waitFor(async () => {
    const { rows } = await f.pool.query("SELECT 1 FROM dbos.workflow_status WHERE workflow_uuid = $1 AND status = 'SUCCESS'", [
      `deploy:deployment_${id}`,
    ]);
    return rows.length === 1;
  }, 15_000);
  const state = await f.state(id);
  expect(state.deployment).toMatchObject({ phase: "cancelled", status: "CANCELED", canceled_reason: "Cancelled by user" });
  expect(state.steps.find((step) => step.step === phase)).toMatchObject({ ended: true, error: "Cancelled by user" });
  expect([state.slots, state.routes, state.promotions]).toEqual([[], [], []]);
  expect(state.topology.every((row) => row.desired_status === "stopped")).toBe(true);
  expect(state.jobs.every((job) => ["succeeded", "abandoned"].includes(job.state))).toBe(true);
  expect(state.events.filter((event) => event.type === "finalized")).toEqual([
    { type: "finalized", step: phase, level: "warn", body: "Cancelled by user" },
  ]);
}

describe("a cancel", () => {
  it("64: while it waits for a slot", async () => {
    f.actors.build = () => "hold";
    const first = await f.deploy();
    await f.untilPhase(first.id, "building");
    const { id } = await f.deploy();
    await waitFor(async () => (await f.state(id)).slots[0]?.state === "waiting");
    await f.cancel(id);
    await expectUndone(id, "queued");
    expect(await f.phaseOf(first.id)).toBe("building");
    await f.cancel(first.id);
    await expectUndone(first.id, "building");
  });

  it("64: while it waits for an agent in starting", async () => {
    await f.pool.query("UPDATE agent SET capabilities = jsonb_set(capabilities, '{roles}', '[\"builder\"]')");
    const { id } = await f.deploy();
    await f.untilPhase(id, "starting");
    await f.cancel(id);
    await expectUndone(id, "starting");
    await f.pool.query("UPDATE agent SET capabilities = jsonb_set(capabilities, '{roles}', '[\"runner\"]')");
  });

  it("64, matrix 21: during the build stops the builder", async () => {
    f.actors.build = () => "hold";
    const { id } = await f.deploy();
    await waitFor(async () => (await f.state(id)).jobs[0]?.state === "claimed");
    await f.cancel(id);
    await expectUndone(id, "building");
    expect((await f.state(id)).jobs).toEqual([{ attempt: 1, state: "abandoned" }]);
  });

  it("64: while it waits for readiness", async () => {
    f.actors.report = () => null;
    const { id } = await f.deploy();
    await waitFor(async () => (await f.state(id)).topology.length === 1);
    await f.cancel(id);
    await expectUndone(id, "deploying");
  });

  it("64: while routes are written", async () => {
    const lock = await holdLock(f.pool, "LOCK TABLE version_route IN ACCESS EXCLUSIVE MODE");
    const { id } = await f.deploy();
    await f.untilPhase(id, "network");
    await lock.waited();
    // The step holds the deployment's row; the cancel comes right after it.
    const cancelled = f.cancel(id);
    await lock.release();
    const outcome = await cancelled.then(
      () => "cancelled",
      () => "too late"
    );
    if (outcome === "cancelled") {
      await waitFor(async () => (await f.state(id)).routes.length === 0);
      expect((await f.state(id)).promotions).toEqual([]);
    } else expect(await f.untilEnded(id)).toBe("ready");
  });

  it("64, matrix 22: before the commit of finalizing", async () => {
    const env = f.tenant.prod.id;
    const lock = await holdLock(f.pool, "SELECT 1");
    f.actors.report = () => null;
    const { id } = await f.deploy();
    await f.untilPhase(id, "deploying");
    await lock.tx.query("SELECT 1 FROM environment WHERE id = $1 FOR NO KEY UPDATE", [env]);
    f.actors.report = () => "running";
    await f.untilPhase(id, "finalizing");
    await lock.waited();
    const ports = { events: f.events, workflow: { signal: f.engine.signal.bind(f.engine) } };
    await endDeployment(lock.tx, ports, {
      deploymentId: id,
      phase: "cancelled",
      message: "Cancelled by user",
      code: "cancelled",
      nowMs: Date.now(),
    });
    await lock.release();
    await expectUndone(id, "finalizing");
  });

  it("matrix 22, 23: after the end changes nothing", async () => {
    const { id } = await f.deploy();
    await f.untilEnded(id);
    await expect(f.cancel(id)).rejects.toThrow("already in a final state");
    expect(await f.phaseOf(id)).toBe("ready");
  });
});

describe("supersede", () => {
  it("66: ends what is still queued when a newer one comes, and leaves what has begun", async () => {
    await f.pool.query("INSERT INTO deploy_setting (environment_id, supersede_queued) VALUES ($1, true)", [f.tenant.staging.id]);
    f.actors.build = () => "hold";
    const begun = await f.deploy(f.tenant.staging);
    await waitFor(async () => (await f.state(begun.id)).jobs[0]?.state === "claimed");
    const queued = await f.deploy(f.tenant.staging);
    const newest = await f.deploy(f.tenant.staging);
    expect(await f.untilEnded(queued.id)).toBe("superseded");
    const state = await f.state(queued.id);
    expect(state.deployment).toMatchObject({ status: "CANCELED", canceled_reason: `Superseded by newer deployment ${newest.version}` });
    expect(state.steps).toMatchObject([{ step: "queued", error: `Superseded by newer deployment ${newest.version}` }]);
    f.actors.build = () => "succeed";
    await f.actors.endBuild(begun.id, 1, "succeed");
    expect(await f.untilEnded(begun.id)).toBe("ready");
    expect(await f.untilEnded(newest.id)).toBe("ready");
  });
});

describe("a deployment that a service has ended", () => {
  it("matrix 10, 12: is compensated, and its end is not overwritten", async () => {
    f.actors.build = () => "hold";
    const { id } = await f.deploy();
    await waitFor(async () => (await f.state(id)).jobs[0]?.state === "claimed");
    const ports = { events: f.events, workflow: { signal: f.engine.signal.bind(f.engine) } };
    await inTransaction(f.pool, (tx) =>
      endDeployment(tx, ports, {
        ...{ deploymentId: id, phase: "failed", message: 'Two tasks have the id "hello".', code: "duplicate_task", nowMs: Date.now() },
        errorData: { name: "BuildError", message: 'Two tasks have the id "hello".' },
      })
    );
    await waitFor(async () => (await f.state(id)).slots.length === 0);
    const state = await f.state(id);
    expect(state.deployment).toMatchObject({ phase: "failed", failure_code: "duplicate_task", failure_step: "building" });
    expect(state.steps.at(-1)?.error).toBe('Two tasks have the id "hello".');
    expect(state.events.filter((event) => event.type === "finalized")).toHaveLength(1);
  });
});
