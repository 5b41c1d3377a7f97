/** Two processes, one deployer: killed, paused, and fenced. Real processes, killed with SIGKILL. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createWorkflowFixture, holdLock, spawnDeployer, type DeployerProcess, type WorkflowFixture } from "../../../test/workflowFixture";
import { TEST_TIMING } from "../../../test/support/deploymentWorkflow";
import { waitFor } from "../../../test/tenant";
import { FencedError } from "./errors";
import { guarded } from "./guard.server";

let f: WorkflowFixture;
/** The first is the deployer, the second takes over. */
const processes: DeployerProcess[] = [];
beforeAll(async () => {
  f = await createWorkflowFixture();
  await ready();
});
afterAll(async () => {
  await Promise.all(processes.map((process) => process.kill()));
  await f.close();
});
beforeEach(async () => {
  f.actors.build = () => "succeed";
  f.actors.report = () => "running";
  await f.cancelAll();
  await ready();
});

const spawn = () => spawnDeployer({ databaseUrl: f.databaseUrl, timing: TEST_TIMING });
const epoch = async () =>
  (await f.pool.query<{ epoch: number }>("SELECT epoch FROM deployer_lease WHERE lease_until > now()")).rows[0]?.epoch ?? 0;

async function ready(): Promise<void> {
  if (processes.length === 0) {
    processes.push(await spawn());
    await waitFor(async () => (await epoch()) > 0, 60_000);
  }
  while (processes.length < 2) processes.push(await spawn());
}

/** kill -9 of the deployer; resolves when the other process has taken over. */
async function killDeployer(): Promise<void> {
  const before = await epoch();
  await processes.shift()?.kill();
  await waitFor(async () => (await epoch()) > before, 60_000);
  processes.push(await spawn());
}

async function expectOnce(id: string): Promise<void> {
  expect(await f.untilEnded(id, 90_000)).toBe("ready");
  const state = await f.state(id);
  expect(state.steps.map(({ step, ended, error }) => [step, ended, error])).toEqual(
    ["queued", "starting", "building", "deploying", "network", "finalizing"].map((step) => [step, true, null])
  );
  expect(state.topology).toEqual([{ region: "local", desired_status: "running", desired_replicas: 1 }]);
  expect([state.routes.length, state.workers.length, state.promotions.length, state.slots.length]).toEqual([1, 1, 1, 0]);
  expect(state.jobs).toEqual([{ attempt: 1, state: "succeeded" }]);
  expect(state.events.filter((event) => event.type === "finalized")).toHaveLength(1);
}

describe("kill -9 of the deployer", { timeout: 240_000 }, () => {
  it.each([
    ["55, matrix 5: in queued", "queued", "LOCK TABLE build_slot IN ACCESS EXCLUSIVE MODE"],
    ["56, matrix 7: in starting", "starting", "LOCK TABLE regional_setting IN ACCESS EXCLUSIVE MODE"],
    ["59: in network", "network", "LOCK TABLE version_route IN ACCESS EXCLUSIVE MODE"],
    ["60, matrix 19: in finalizing", "finalizing", "LOCK TABLE deployment_promotion_event IN ACCESS EXCLUSIVE MODE"],
  ] as const)("%s", async (_name, phase, sql) => {
    const lock = await holdLock(f.pool, sql);
    const { id } = await f.deploy();
    try {
      await f.untilPhase(id, phase);
      await lock.waited();
      await killDeployer();
    } finally {
      await lock.release();
    }
    await expectOnce(id);
  });

  it("57: in building, twice", async () => {
    f.actors.build = () => "hold";
    const { id } = await f.deploy();
    await waitFor(async () => (await f.state(id)).jobs[0]?.state === "claimed", 60_000);
    await killDeployer();
    await killDeployer();
    expect(await f.phaseOf(id)).toBe("building");
    await f.actors.endBuild(id, 1, "succeed");
    await expectOnce(id);
  });

  it("58, matrix 16: in deploying", async () => {
    f.actors.report = () => null;
    const { id } = await f.deploy();
    await waitFor(async () => (await f.state(id)).topology.length === 1, 60_000);
    await killDeployer();
    f.actors.report = () => "running";
    await expectOnce(id);
  });

  it("matrix 14: between the rows of the topology and the journal: they are kept, and told anew", async () => {
    const lock = await holdLock(f.pool, "SELECT 1");
    await f.pool.query(
      `CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(14); RETURN NEW; END $$;
       CREATE TRIGGER wait_for_test BEFORE INSERT ON dbos.operation_outputs FOR EACH ROW
       WHEN (NEW.function_name = 'deploying.start' AND NEW.output NOT LIKE '%startedAtMs%') EXECUTE FUNCTION wait_for_test()`
    );
    await lock.tx.query("SELECT pg_advisory_xact_lock(14)");
    const { id } = await f.deploy();
    const versions = async () =>
      (await f.pool.query<{ version: number }>("SELECT version FROM deployment_topology WHERE deployment_id = $1", [id])).rows;
    try {
      await waitFor(async () => (await versions()).length === 1, 60_000);
      await lock.waited();
      await killDeployer();
    } finally {
      await lock.release();
      await f.pool.query("DROP TRIGGER wait_for_test ON dbos.operation_outputs; DROP FUNCTION wait_for_test()");
    }
    await expectOnce(id);
    expect(await versions()).toEqual([{ version: 2 }]);
  });

  it("matrix 20: after the commit of finalizing, before its follow-ups: the next process does them", async () => {
    const jobs = async () => (await f.pool.query("SELECT 1 FROM deployment_job")).rows.length;
    await waitFor(async () => (await jobs()) === 0, 60_000);
    // Follow-ups are held from the moment that they are there.
    await f.pool.query(
      `CREATE FUNCTION not_yet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.next_at := now() + interval '1 hour'; RETURN NEW; END $$;
       CREATE TRIGGER not_yet BEFORE INSERT ON deployment_job FOR EACH ROW EXECUTE FUNCTION not_yet()`
    );
    const { id } = await f.deploy();
    expect(await f.untilEnded(id, 90_000)).toBe("ready");
    await f.pool.query("DROP TRIGGER not_yet ON deployment_job; DROP FUNCTION not_yet()");
    expect(await jobs()).toBe(1);
    await killDeployer();
    expect(await jobs()).toBe(1);
    await f.pool.query("UPDATE deployment_job SET next_at = now()");
    await waitFor(async () => (await jobs()) === 0, 60_000);
    await expectOnce(id);
  });

  it("while it undoes a failure finishes the undoing", async () => {
    f.actors.build = () => "hold";
    const { id } = await f.deploy();
    await waitFor(async () => (await f.state(id)).jobs[0]?.state === "claimed", 60_000);
    // The slot is given back last.
    const lock = await holdLock(f.pool, "LOCK TABLE build_slot IN ACCESS EXCLUSIVE MODE");
    try {
      await f.actors.endBuild(id, 1, "fail");
      await lock.waited();
      await killDeployer();
    } finally {
      await lock.release();
    }
    expect(await f.untilEnded(id, 90_000)).toBe("failed");
    await waitFor(async () => (await f.state(id)).slots.length === 0);
    expect((await f.state(id)).deployment?.error_data).toMatchObject({ message: "Cannot find module 'left-pad'" });
  });
});

describe("a deployer that was paused", { timeout: 240_000 }, () => {
  it("74, matrix 35: finds itself fenced when it wakes, writes nothing, and goes on living", async () => {
    f.actors.build = () => "hold";
    const { id } = await f.deploy();
    await waitFor(async () => (await f.state(id)).jobs[0]?.state === "claimed", 60_000);
    const before = await epoch();
    const [paused] = processes;
    paused?.child.kill("SIGSTOP");
    await waitFor(async () => (await epoch()) > before, 60_000);
    await f.actors.endBuild(id, 1, "succeed");
    await expectOnce(id);
    const state = await f.state(id);
    paused?.child.kill("SIGCONT");
    // It hears of the next deployment, asks for the lease, and learns that it is not its own any more.
    const next = await f.deploy(f.tenant.staging);
    await waitFor(async () => (await f.state(next.id)).jobs[0]?.state === "claimed", 60_000);
    await f.actors.endBuild(next.id, 1, "succeed");
    expect(await f.untilEnded(next.id, 90_000)).toBe("ready");
    expect(await f.state(id)).toEqual(state);
    expect(paused?.child.exitCode).toBeNull();
    // The two have changed places.
    processes.reverse();
  });

  it("74: cannot write with its epoch, not even to a deployment that nobody has claimed", async () => {
    f.actors.build = () => "hold";
    const { id } = await f.deploy();
    await waitFor(async () => (await f.state(id)).jobs[0]?.state === "claimed", 60_000);
    const now = await epoch();
    const write = (value: number) =>
      guarded(f.pool, { deploymentId: id, epoch: value }, (tx) =>
        tx.query("UPDATE deployment SET failure_code = 'written' WHERE id = $1", [id])
      );
    await expect(write(now - 1)).rejects.toBeInstanceOf(FencedError);
    await f.pool.query("UPDATE deployment SET leader_epoch = 0 WHERE id = $1", [id]);
    await expect(write(now - 1)).rejects.toBeInstanceOf(FencedError);
    expect((await f.state(id)).deployment?.failure_code).toBeNull();
    await write(now);
    expect((await f.state(id)).deployment?.failure_code).toBe("written");
  });
});

describe("a deployer that stops in order", { timeout: 240_000 }, () => {
  it("gives the lease away at once", async () => {
    const before = await epoch();
    await processes.shift()?.stopGently();
    await waitFor(async () => (await epoch()) > before, 60_000);
    const { id } = await f.deploy();
    expect(await f.untilEnded(id, 90_000)).toBe("ready");
  });
});
