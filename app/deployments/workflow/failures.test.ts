/** What a failure in each step leaves behind. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createWorkflowFixture, type WorkflowFixture } from "../../../test/workflowFixture";
import type { TestWorkflow } from "../../../test/support/deploymentWorkflow";

let f: WorkflowFixture;
let w: TestWorkflow;
let discards = 0;
let discardFailures = 0;
let promotionFailures = 0;
beforeAll(async () => {
  f = await createWorkflowFixture();
  w = await f.startWorkflow({
    deadlinesMs: { deploying: 4_000, starting: 3_000 },
    ports: {
      buildOutput: {
        discard: () => {
          discards += 1;
          return discardFailures-- > 0 ? Promise.reject(new Error("release store is away")) : Promise.resolve();
        },
      },
      promotion: {
        inTransaction: () =>
          promotionFailures-- > 0
            ? Promise.reject(new Error("the pointer is broken"))
            : Promise.resolve({ promoted: false, message: "not in this test" }),
      },
    },
  });
});
afterAll(() => f.close());
beforeEach(async () => {
  [discards, discardFailures, promotionFailures] = [0, 0, 0];
  f.actors.build = () => "succeed";
  f.actors.report = () => "running";
  await f.actors.setRegions(f.tenant.prod.id, { local: 1 });
});

const UNDO = {
  slot: "Gave the build slot back.",
  build: "Stopped the build and removed what it left.",
  topology: "Stopped the replicas in every region.",
  routes: "Removed the routes to this version.",
};
const undone = (state: Awaited<ReturnType<WorkflowFixture["state"]>>) =>
  state.events.filter((event) => event.level === "debug").map((event) => Object.entries(UNDO).find(([, body]) => body === event.body)?.[0]);

/** Refuses writes that match, until it is dropped. */
async function refuse(table: string, when: string, text: string): Promise<() => Promise<void>> {
  await f.pool.query(
    `CREATE FUNCTION refuse_${table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF ${when} THEN RAISE EXCEPTION '${text}'; END IF; RETURN NEW; END $$;
     CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION refuse_${table}()`
  );
  return async () => void (await f.pool.query(`DROP TRIGGER refuse ON ${table}; DROP FUNCTION refuse_${table}()`));
}

describe("a failure", () => {
  it("61: in starting says all that is wrong and gives the slot back", async () => {
    await f.pool.query("UPDATE region SET can_schedule = false");
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("failed");
    await f.pool.query("UPDATE region SET can_schedule = true");
    const state = await f.state(id);
    expect(state.deployment).toMatchObject({ status: "FAILED", failure_step: "starting", failure_code: "invalid_configuration" });
    expect(state.steps.at(-1)).toMatchObject({
      step: "starting",
      error_summary: "No regions configured. Add at least one region before deploying.",
    });
    expect(undone(state)).toEqual(["slot"]);
    expect(state.slots).toEqual([]);
  });

  it("61: in building keeps the builder's words and its output", async () => {
    f.actors.build = () => "fail";
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("failed");
    const state = await f.state(id);
    expect(state.deployment).toMatchObject({
      failure_step: "building",
      failure_code: "build_failed",
      error_data: { message: "Cannot find module 'left-pad'", stderr: "left-pad is missing" },
    });
    expect(undone(state)).toEqual(["build", "slot"]);
    expect([state.slots, state.topology, discards]).toEqual([[], [], 1]);
  });

  it("61, matrix 13: of an index that registers no worker is its own text", async () => {
    f.actors.build = () => "no-worker";
    const { id } = await f.deploy();
    await f.untilEnded(id);
    expect((await f.state(id)).deployment).toMatchObject({
      failure_code: "no_worker",
      error_data: { message: "Indexing finished without registering a worker", stderr: "SyntaxError: oops" },
    });
  });

  it("61: in deploying stops the topology, newest compensation first", async () => {
    f.actors.report = () => "failed";
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("failed");
    const state = await f.state(id);
    expect(undone(state)).toEqual(["topology", "build", "slot"]);
    expect(state.topology).toEqual([{ region: "local", desired_status: "stopped", desired_replicas: 1 }]);
    const { rows } = await f.pool.query("SELECT 1 FROM deployment_change WHERE deployment_id = $1", [id]);
    expect(rows).toHaveLength(2);
  });

  it("61: in network removes the routes", async () => {
    const stop = await refuse("version_route", "TG_OP = 'INSERT'", "routing is broken");
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("failed");
    await stop();
    const state = await f.state(id);
    expect(state.deployment).toMatchObject({ failure_step: "network", error_data: { message: "routing is broken" } });
    expect(undone(state)).toEqual(["routes", "topology", "build", "slot"]);
    expect(state.routes).toEqual([]);
  });

  it("61: in finalizing undoes all of it and leaves the pointer", async () => {
    promotionFailures = 5;
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("failed");
    const state = await f.state(id);
    expect(state.deployment).toMatchObject({ status: "FAILED", failure_step: "finalizing" });
    expect(undone(state)).toEqual(["routes", "topology", "build", "slot"]);
    expect([state.promotions, state.routes, state.slots]).toEqual([[], [], []]);
    expect(state.events.filter((event) => event.type === "finalized")).toHaveLength(1);
  });

  it("that passes by itself is not seen", async () => {
    promotionFailures = 2;
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("ready");
  });
});

describe("regions", () => {
  it("70: end a deployment early when too many of them are lost", async () => {
    await f.actors.addRegion("eu");
    await f.actors.addRegion("us");
    await f.actors.setRegions(f.tenant.prod.id, { us: 1, eu: 2, local: 1 });
    f.actors.report = (_id, region) => (region === "local" ? "running" : region === "eu" ? "failed" : "failed");
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("failed");
    const state = await f.state(id);
    expect(state.deployment).toMatchObject({ status: "FAILED", failure_code: "regions_unhealthy" });
    expect(state.steps.at(-1)?.error_summary).toMatch(
      /^Only \d of 3 regions can become healthy, 2 required\. .*eu: exited 5 times within 60 s; us: exited/
    );
    expect(state.topology.map((row) => row.desired_status)).toEqual(["stopped", "stopped", "stopped"]);
  });

  it("71, matrix 17: are all named when the deadline passes", async () => {
    await f.actors.setRegions(f.tenant.prod.id, { us: 1, eu: 2, local: 1 });
    f.actors.report = (_id, region) => (region === "local" ? "running" : null);
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("failed");
    const state = await f.state(id);
    expect(state.deployment).toMatchObject({ status: "TIMED_OUT", failure_code: "timed_out", failure_step: "deploying" });
    expect(state.steps.at(-1)?.error_summary).toBe(
      "Only 1 of 3 regions became healthy within 1 min, 2 required. eu: no instance has reported; us: no instance has reported"
    );
  });

  it("go on with two of three", async () => {
    await f.actors.setRegions(f.tenant.prod.id, { us: 1, eu: 2, local: 1 });
    f.actors.report = (_id, region) => (region === "us" ? "preparing" : "running");
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("ready");
    expect((await f.state(id)).topology.map((row) => [row.region, row.desired_replicas])).toEqual([
      ["eu", 2],
      ["local", 1],
      ["us", 1],
    ]);
  });

  it("69, matrix 15: that were ready before the wait began need no signal", async () => {
    f.actors.report = () => null;
    await f.pool.query(
      `CREATE FUNCTION at_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         INSERT INTO deployment_instance (id, deployment_id, region_id, agent_id, runner_id, state, last_seen_at)
         SELECT NEW.deployment_id, NEW.deployment_id, NEW.region_id, a.id, NEW.deployment_id, 'running', now() FROM agent a WHERE a.region_id = NEW.region_id;
         RETURN NULL; END $$;
       CREATE TRIGGER at_once AFTER INSERT ON deployment_topology FOR EACH ROW EXECUTE FUNCTION at_once()`
    );
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("ready");
    await f.pool.query("DROP TRIGGER at_once ON deployment_topology");
    const { rows } = await f.pool.query<{ name: string }>(
      "SELECT function_name AS name FROM dbos.operation_outputs WHERE workflow_uuid = $1 AND function_name LIKE '%deploying%' OR function_name = 'DBOS.recv' AND workflow_uuid = $1 ORDER BY function_id",
      [`deploy:deployment_${id}`]
    );
    const names = rows.map((row) => row.name);
    expect(names.slice(names.indexOf("deploying.start"))).toEqual([
      "deploying.start",
      "deploying.start",
      "deploying.health",
      "deploying.end",
    ]);
  });
});

describe("a builder that is lost", () => {
  it("matrix 8, 11: is replaced, and the attempt is counted", async () => {
    f.actors.build = (_id, attempt) => (attempt === 1 ? "die" : "succeed");
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("ready");
    const state = await f.state(id);
    expect(state.jobs).toEqual([
      { attempt: 1, state: "abandoned" },
      { attempt: 2, state: "succeeded" },
    ]);
    expect(state.events.map((event) => event.body)).toContain("The builder was lost; retrying build (attempt 2).");
    expect(state.workers).toHaveLength(1);
  });

  it("matrix 11: three times is the end", async () => {
    f.actors.build = () => "die";
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("failed");
    const state = await f.state(id);
    expect(state.jobs.map((job) => job.state)).toEqual(["abandoned", "abandoned", "abandoned"]);
    expect(state.deployment).toMatchObject({ failure_code: "builder_lost", failure_step: "building" });
  });
});

describe("a compensation that fails", () => {
  it("62: once is tried again", async () => {
    f.actors.build = () => "fail";
    discardFailures = 1;
    const { id } = await f.deploy();
    await f.untilEnded(id);
    const state = await f.state(id);
    expect(discards).toBe(2);
    expect(state.deployment?.error_data).toMatchObject({ message: "Cannot find module 'left-pad'" });
    expect(state.deployment?.error_data).not.toHaveProperty("causes");
    expect(undone(state)).toEqual(["build", "slot"]);
  });

  it("62, matrix 24: always joins the error, and does not keep the others from running", async () => {
    f.actors.build = () => "fail";
    discardFailures = 100;
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("failed");
    const state = await f.state(id);
    expect(discards).toBe(5);
    expect(undone(state)).toEqual(["slot"]);
    expect(state.deployment).toMatchObject({
      failure_code: "build_failed",
      error_data: {
        message: "Cannot find module 'left-pad'",
        causes: [{ message: "Cannot find module 'left-pad'" }, { message: "release store is away" }],
      },
    });
    const building = state.steps.find((step) => step.step === "building");
    expect(building?.error_summary).toBe("Cannot find module 'left-pad'");
    expect(building?.error).toContain("release store is away");
  });
});

describe("an end of a step that cannot be written", () => {
  it("63: is the error when the step itself was fine", async () => {
    const stop = await refuse(
      "deployment_step",
      "NEW.step = 'network' AND NEW.ended_at IS NOT NULL AND NEW.error IS NULL",
      "disk quota of steps"
    );
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("failed");
    await stop();
    expect((await f.state(id)).deployment).toMatchObject({ failure_step: "network", error_data: { message: "disk quota of steps" } });
  });

  it("63, matrix 25: keeps the error of the step first, and both in full", async () => {
    f.actors.build = () => "fail";
    const stop = await refuse("deployment_step", "NEW.step = 'building' AND NEW.error IS NOT NULL", "disk quota of steps");
    const { id } = await f.deploy();
    expect(await f.untilEnded(id)).toBe("failed");
    const open = await f.state(id);
    expect(open.deployment).toMatchObject({
      failure_step: "building",
      failure_code: "build_failed",
      error_data: {
        message: "Cannot find module 'left-pad'",
        causes: [{ message: "Cannot find module 'left-pad'" }, { message: "disk quota of steps" }],
      },
    });
    expect(
      open.events.some(({ level, body }) => level === "error" && body.includes("left-pad") && body.includes("disk quota of steps"))
    ).toBe(true);
    expect(open.steps.find((step) => step.step === "building")).toMatchObject({ ended: false });
    expect(undone(open)).toEqual(["build", "slot"]);
    await stop();
    await w.workflow.loops.sweeps.runOnce();
    const building = (await f.state(id)).steps.find((step) => step.step === "building");
    expect(building).toMatchObject({ ended: true, error_summary: "Cannot find module 'left-pad'" });
    expect(building?.error).toContain("disk quota of steps");
  });
});
