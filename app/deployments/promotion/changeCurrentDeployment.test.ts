/** Tests 20, 78 to 82, 85 and 86 of the deployments specification, over a real database. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ACTOR, createDeploymentFixture, insertReady, reportInstance, type DeploymentFixture } from "../../../test/deploymentFixture";
import { createTestServices, type TestServices } from "../../../test/services";
import { createTenant, waitFor, TEST_ENCRYPTION_KEY } from "../../../test/tenant";
import { createEnvironments } from "../../environments/environments.server";
import type { EnvironmentView } from "../../environments/types";
import { systemClock } from "../../platform/clock";
import { inTransaction } from "../../platform/db.server";
import type { Phase } from "../phases";
import { ChangeFailedError, type ChangedCurrent } from "./changeCurrentDeployment.server";
import { type Direction, REFUSALS } from "./decidePromotion";
import { readPointer } from "./swap.server";

let services: TestServices;
let fixture: DeploymentFixture;

beforeAll(async () => {
  services = await createTestServices();
  fixture = await createDeploymentFixture(services);
});
afterAll(async () => {
  await fixture.close();
  await services.close();
});

/** An environment of its own, so that tests do not share a pointer. */
async function newEnvironment(): Promise<EnvironmentView> {
  return (await createTenant(fixture.environments)).prod;
}

/** Versions .1 to .n, ready. */
async function versions(env: EnvironmentView, count: number) {
  const made = [];
  for (let n = 1; n <= count; n++) made.push(await insertReady(services.pool, env, { version: `20261121.${n}` }));
  return made;
}

type Change = { direction?: Direction; allowRollbacks?: boolean };

function change(
  env: EnvironmentView,
  deployment: string,
  { direction = "promote", allowRollbacks = false }: Change = {}
): Promise<ChangedCurrent> {
  return fixture.deployments.changeCurrent.call({ env, deployment, direction, allowRollbacks, actor: ACTOR });
}

const promote = (env: EnvironmentView, deployment: string, allowRollbacks = false) => change(env, deployment, { allowRollbacks });
const rollback = (env: EnvironmentView, deployment: string) => change(env, deployment, { direction: "rollback" });
const pointer = (env: EnvironmentView) => readPointer(services.pool, env.id);

async function plannedStop(id: string): Promise<number | null> {
  const { rows } = await services.pool.query<{ due_at: Date }>("SELECT due_at FROM scheduled_state_change WHERE deployment_id = $1", [id]);
  return rows[0] ? rows[0].due_at.getTime() - fixture.clock.now() : null;
}

async function auditOf(env: EnvironmentView): Promise<{ event: string; actor: string; meta: Record<string, unknown> }[]> {
  const { rows } = await services.pool.query<{ event: string; actor: string; meta: Record<string, unknown> }>(
    "SELECT event, actor_type || ':' || actor_id AS actor, meta FROM audit_log WHERE environment_id = $1 ORDER BY (meta->>'generation')::int",
    [env.id]
  );
  return rows;
}

const MINUTE = 60_000;

describe("decision table, through the service", () => {
  test("1 an unknown version is a 404, also one of another environment", async () => {
    const [env, other] = [await newEnvironment(), await newEnvironment()];
    const [mine] = await versions(other, 1);
    for (const name of ["20261121.7", mine?.version ?? "", `deployment_${mine?.id}`, "nonsense", "deployment_%00"]) {
      await expect(promote(env, name)).rejects.toMatchObject({ status: 404, message: "Deployment not found" });
    }
  });

  test("2 to 5 worker and status come first", async () => {
    const env = await newEnvironment();
    await insertReady(services.pool, env, { version: "20261121.1", hasWorker: false });
    const phases: Phase[] = ["queued", "building", "deploying", "failed", "cancelled"];
    for (const [at, phase] of phases.entries()) await insertReady(services.pool, env, { version: `20261121.${at + 2}`, phase });
    for (const direction of ["promote", "rollback"] as const) {
      await expect(change(env, "20261121.1", { direction })).rejects.toMatchObject({ status: 400, message: REFUSALS.noWorker[direction] });
      for (const at of phases.keys()) {
        const attempt = change(env, `20261121.${at + 2}`, { direction, allowRollbacks: true });
        await expect(attempt).rejects.toMatchObject({ status: 400, message: REFUSALS.notDeployed[direction] });
      }
    }
    expect(await pointer(env)).toBeNull();
  });

  test.each(["promote", "rollback"] as const)(
    "6 and 7 without a current version a %s sets it, and the flag stays down",
    async (direction) => {
      const env = await newEnvironment();
      const [one] = await versions(env, 1);
      expect(await change(env, "20261121.1", { direction })).toEqual({
        id: one?.id,
        version: "20261121.1",
        shortCode: one?.shortCode,
        previousVersion: null,
        kind: direction,
        generation: 1,
      });
      expect(await pointer(env)).toEqual({
        currentId: one?.id,
        currentVersion: "20261121.1",
        previousId: null,
        isRolledBack: false,
        generation: 1,
      });
      const { rows } = await services.pool.query("SELECT current_worker_id FROM environment WHERE id = $1", [env.id]);
      expect(rows).toEqual([{ current_worker_id: one?.workerId }]);
    }
  );

  test("8, 10, 12, 16, 17 are refused, and change nothing", async () => {
    const env = await newEnvironment();
    const [, two] = await versions(env, 3);
    await promote(env, "20261121.2");
    await expect(promote(env, "20261121.2")).rejects.toMatchObject({ status: 400, message: REFUSALS.alreadyCurrent });
    await expect(rollback(env, "20261121.2")).rejects.toMatchObject({ status: 400, message: REFUSALS.alreadyCurrent });
    await expect(promote(env, "20261121.1")).rejects.toMatchObject({ status: 400, message: REFUSALS.older });
    for (const allowRollbacks of [false, true]) {
      const attempt = change(env, "20261121.3", { direction: "rollback", allowRollbacks });
      await expect(attempt).rejects.toMatchObject({ status: 400, message: REFUSALS.newer });
    }
    expect(await pointer(env)).toMatchObject({ currentId: two?.id, generation: 1 });
    expect(await historyOf(env)).toHaveLength(1);
  });

  test("11, 13, 14 promote goes forward, and back only when allowed; the flag is down afterwards", async () => {
    const env = await newEnvironment();
    const [one, two, three] = await versions(env, 3);
    await promote(env, "20261121.1");
    expect(await promote(env, "20261121.2")).toMatchObject({ previousVersion: "20261121.1", kind: "promote", generation: 2 });
    expect(await plannedStop(one?.id ?? "")).toBe(30 * MINUTE);
    expect(await promote(env, "20261121.1", true)).toMatchObject({ previousVersion: "20261121.2", generation: 3 });
    expect(await pointer(env)).toMatchObject({ isRolledBack: false, previousId: two?.id });
    expect(await plannedStop(one?.id ?? "")).toBeNull();
    expect(await plannedStop(two?.id ?? "")).toBe(30 * MINUTE);
    expect(await promote(env, `deployment_${three?.id}`, true)).toMatchObject({ version: "20261121.3", generation: 4 });
  });

  test("9 and 15 a rollback raises the flag and keeps the newer versions warm until it is confirmed", async () => {
    const env = await newEnvironment();
    const ids = (await versions(env, 3)).map(({ id }) => id);
    const plans = () => Promise.all(ids.map(plannedStop));
    await promote(env, "20261121.3");
    expect(await rollback(env, "20261121.2")).toMatchObject({ previousVersion: "20261121.3", kind: "rollback" });
    expect(await rollback(env, "20261121.1")).toMatchObject({ previousVersion: "20261121.2", kind: "rollback" });
    expect(await pointer(env)).toMatchObject({ currentVersion: "20261121.1", isRolledBack: true });
    expect(await plans()).toEqual([null, 24 * 60 * MINUTE, 24 * 60 * MINUTE]);
    expect(await promote(env, "20261121.1")).toMatchObject({ kind: "confirm_rollback", previousVersion: "20261121.1", generation: 4 });
    expect(await pointer(env)).toMatchObject({ currentId: ids[0], previousId: ids[1], isRolledBack: false, generation: 4 });
    expect(await plans()).toEqual([null, 30 * MINUTE, 30 * MINUTE]);
    await expect(promote(env, "20261121.1")).rejects.toMatchObject({ message: REFUSALS.alreadyCurrent });
  });

  test("every move is one line of the history and one of the audit", async () => {
    const env = await newEnvironment();
    await versions(env, 3);
    await promote(env, "20261121.3");
    await rollback(env, "20261121.2");
    await rollback(env, "20261121.1");
    await promote(env, "20261121.1");
    const history = await historyOf(env);
    expect(history.map(({ generation, kind, fromVersion, toVersion }) => [generation, kind, fromVersion, toVersion])).toEqual([
      [4, "confirm_rollback", "20261121.1", "20261121.1"],
      [3, "rollback", "20261121.2", "20261121.1"],
      [2, "rollback", "20261121.3", "20261121.2"],
      [1, "promote", null, "20261121.3"],
    ]);
    expect(history.map(({ actor }) => actor)).toEqual(Array(4).fill("key:tests"));
    expect(await auditOf(env)).toEqual([
      { event: "deployment.promote", actor: "key:tests", meta: { before: null, after: "20261121.3", generation: 1 } },
      { event: "deployment.rollback", actor: "key:tests", meta: { before: "20261121.3", after: "20261121.2", generation: 2 } },
      { event: "deployment.rollback", actor: "key:tests", meta: { before: "20261121.2", after: "20261121.1", generation: 3 } },
      { event: "deployment.confirm_rollback", actor: "key:tests", meta: { before: "20261121.1", after: "20261121.1", generation: 4 } },
    ]);
  });

  test("promoting another version ends a rollback as well, also downwards", async () => {
    const env = await newEnvironment();
    await versions(env, 3);
    await promote(env, "20261121.3");
    await rollback(env, "20261121.2");
    await promote(env, "20261121.1", true);
    expect(await pointer(env)).toMatchObject({ currentVersion: "20261121.1", isRolledBack: false });
  });

  test("19 a release that was collected cannot be promoted", async () => {
    const env = await newEnvironment();
    await insertReady(services.pool, env, { version: "20261121.1", hasRelease: false });
    for (const direction of ["promote", "rollback"] as const) {
      const attempt = change(env, "20261121.1", { direction });
      await expect(attempt).rejects.toMatchObject({ status: 400, message: REFUSALS.releaseGone });
    }
  });

  test.each([
    ["promote", "Failed to promote deployment"],
    ["rollback", "Failed to roll back deployment"],
  ] as const)("24 an unexpected error of the database fails a %s with its text, and changes nothing", async (direction, text) => {
    const env = await newEnvironment();
    await versions(env, 1);
    await services.pool.query("CREATE FUNCTION fail_now() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$");
    await services.pool.query("CREATE TRIGGER fail BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION fail_now()");
    try {
      const failed = await change(env, "20261121.1", { direction }).catch((error: unknown) => error);
      expect(failed).toBeInstanceOf(ChangeFailedError);
      expect((failed as Error).message).toBe(text);
      expect(await pointer(env)).toBeNull();
    } finally {
      await services.pool.query("DROP FUNCTION fail_now() CASCADE");
    }
  });

  test("an archived branch takes no promotion", async () => {
    const { environments, tenant } = fixture;
    const { id } = await environments.upsertBranch.call({ projectId: tenant.projectId, env: "preview", branch: "gone" });
    const env = await environments.byId(id);
    if (!env) throw new Error("no branch");
    await versions(env, 1);
    await environments.updateEnvironment(id, { archived: true });
    await expect(promote(env, "20261121.1")).rejects.toMatchObject({ status: 404, message: "Environment not found" });
  });
});

describe("together", () => {
  test("78, 79: twenty promotes and rollbacks of five versions at once are one after the other", async () => {
    const env = await newEnvironment();
    const made = await versions(env, 5);
    const attempts = Array.from({ length: 20 }, (_, at) => {
      const deployment = made[at % 5]?.version ?? "";
      return change(env, deployment, { direction: at % 3 === 2 ? "rollback" : "promote", allowRollbacks: at % 2 === 0 });
    });
    const settled = await Promise.allSettled(attempts);
    const won = settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    for (const result of settled) if (result.status === "rejected") expect(result.reason).toMatchObject({ status: 400 });
    expect(won.length).toBeGreaterThan(0);

    const history = (await historyOf(env)).reverse();
    expect(history.map(({ generation }) => generation)).toEqual(won.map((_, at) => at + 1));
    // Each move begins where the one before ended: that is a serial order.
    for (const [at, move] of history.entries()) expect(move.fromId).toBe(at === 0 ? null : history[at - 1]?.toId);
    const byGeneration = new Map(won.map((result) => [result.generation, result]));
    for (const move of history) expect(byGeneration.get(move.generation)).toMatchObject({ id: move.toId, kind: move.kind });

    const last = history.at(-1);
    expect(await pointer(env)).toMatchObject({ currentId: last?.toId, generation: won.length });
    const worker = made.find(({ id }) => id === last?.toId)?.workerId;
    const { rows } = await services.pool.query("SELECT current_worker_id FROM environment WHERE id = $1", [env.id]);
    expect(rows).toEqual([{ current_worker_id: worker }]);
    expect(await plannedStop(last?.toId ?? "")).toBeNull();
    expect(await auditOf(env)).toHaveLength(won.length);
  });

  test("matrix 26: two promotes at once: the second is judged against the first", async () => {
    for (let round = 0; round < 10; round++) {
      const env = await newEnvironment();
      await versions(env, 3);
      await promote(env, "20261121.1");
      const [older, newer] = await Promise.allSettled([promote(env, "20261121.2"), promote(env, "20261121.3")]);
      expect(newer.status).toBe("fulfilled");
      if (older.status === "rejected") expect(older.reason).toMatchObject({ status: 400, message: REFUSALS.older });
      expect(await pointer(env)).toMatchObject({ currentVersion: "20261121.3", generation: older.status === "fulfilled" ? 3 : 2 });
    }
  });
});

/** Moves of the environment's pointer, newest first. */
async function historyOf(env: EnvironmentView) {
  const { rows } = await services.pool.query<{
    generation: number;
    kind: string;
    fromId: string | null;
    toId: string;
    fromVersion: string | null;
    toVersion: string | null;
    actor: string;
  }>(
    `SELECT h.generation, h.kind, h.from_deployment_id AS "fromId", f.version AS "fromVersion", h.to_deployment_id AS "toId",
            t.version AS "toVersion", h.actor
     FROM deployment_promotion_event h
     LEFT JOIN deployment f ON f.id = h.from_deployment_id
     LEFT JOIN deployment t ON t.id = h.to_deployment_id
     WHERE h.environment_id = $1 ORDER BY h.generation DESC`,
    [env.id]
  );
  return rows;
}

function finalize(deploymentId: string) {
  return inTransaction(services.pool, (tx) => fixture.deployments.changeCurrent.inTransaction(tx, { direction: "auto", deploymentId }));
}

describe("promotion by the end of a deployment", () => {
  test("80, matrix 29: newer and older in both orders: the newer one is current, the older one says why it is not", async () => {
    const env = await newEnvironment();
    const [one, two] = await versions(env, 2);
    expect(await finalize(one?.id ?? "")).toEqual({ promoted: true, generation: 1, previousVersion: null });
    expect(await finalize(two?.id ?? "")).toEqual({ promoted: true, generation: 2, previousVersion: "20261121.1" });
    const other = await newEnvironment();
    const [older, newer] = await versions(other, 2);
    await finalize(newer?.id ?? "");
    const message = "Deployed but not promoted: version 20261121.2 is newer.";
    expect(await finalize(older?.id ?? "")).toEqual({ promoted: false, message });
    expect(await pointer(other)).toMatchObject({ currentVersion: "20261121.2", generation: 1 });
    expect((await historyOf(env)).map((move) => [move.kind, move.actor])).toEqual([
      ["auto_promote", "system:deploy"],
      ["auto_promote", "system:deploy"],
    ]);
    expect((await auditOf(env)).map(({ event, actor }) => [event, actor])).toEqual(Array(2).fill(["deployment.promote", "system:deploy"]));
  });

  test("matrix 27: a promote of an older version beside the end of a newer one, in any order", async () => {
    for (let round = 0; round < 10; round++) {
      const env = await newEnvironment();
      const [, , three] = await versions(env, 3);
      await promote(env, "20261121.1");
      const [promoted, ended] = await Promise.allSettled([promote(env, "20261121.2"), finalize(three?.id ?? "")]);
      expect(ended).toMatchObject({ status: "fulfilled", value: { promoted: true } });
      if (promoted.status === "rejected") expect(promoted.reason).toMatchObject({ message: REFUSALS.older });
      expect(await pointer(env)).toMatchObject({ currentVersion: "20261121.3" });
    }
  });

  test("81, matrix 28: a rolled-back environment is left alone until someone promotes", async () => {
    const env = await newEnvironment();
    const [, , three, four] = await versions(env, 4);
    await promote(env, "20261121.2");
    await rollback(env, "20261121.1");
    expect(await finalize(three?.id ?? "")).toEqual({
      promoted: false,
      message: "Deployed but not promoted: the environment is rolled back to 20261121.1. Promote it to resume automatic promotion.",
    });
    await promote(env, "20261121.3");
    expect(await pointer(env)).toMatchObject({ isRolledBack: false });
    expect(await finalize(four?.id ?? "")).toMatchObject({ promoted: true, previousVersion: "20261121.3" });
  });

  test("82: after a confirmed rollback the next deployment is promoted", async () => {
    const env = await newEnvironment();
    const [, , three] = await versions(env, 3);
    await promote(env, "20261121.2");
    await rollback(env, "20261121.1");
    await promote(env, "20261121.1");
    expect(await finalize(three?.id ?? "")).toMatchObject({ promoted: true, previousVersion: "20261121.1" });
  });

  test("skipped promotion and promotion that is off leave the pointer", async () => {
    const env = await newEnvironment();
    const skipped = await insertReady(services.pool, env, { version: "20261121.1", skipPromotion: true });
    expect(await finalize(skipped.id)).toEqual({ promoted: false, message: null });
    await fixture.deployments.settings.update(env, { autoPromote: false }, ACTOR);
    const [two] = [await insertReady(services.pool, env, { version: "20261121.2" })];
    const message = "Deployed but not promoted: automatic promotion is off for this environment.";
    expect(await finalize(two.id)).toEqual({ promoted: false, message });
    expect(await pointer(env)).toBeNull();
  });

  test("an end that is rolled back promotes nothing", async () => {
    const env = await newEnvironment();
    const [one] = await versions(env, 1);
    const failing = inTransaction(services.pool, async (tx) => {
      await fixture.deployments.changeCurrent.inTransaction(tx, { direction: "auto", deploymentId: one?.id ?? "" });
      throw new Error("the transaction of finalize fails");
    });
    await expect(failing).rejects.toThrow("finalize fails");
    expect(await pointer(env)).toBeNull();
    expect(await auditOf(env)).toEqual([]);
  });
});

describe("stopped targets", () => {
  test("86: a stopped target is woken, and current once it is healthy", async () => {
    const env = await newEnvironment();
    await versions(env, 1);
    const two = await insertReady(services.pool, env, { version: "20261121.2", phase: "stopped" });
    await promote(env, "20261121.1");
    const promoting = promote(env, "20261121.2");
    await waitFor(async () => {
      const { rows } = await services.pool.query(
        "SELECT 1 FROM deployment_topology WHERE deployment_id = $1 AND desired_status = 'running'",
        [two.id]
      );
      return rows.length === 1;
    });
    expect(await pointer(env)).toMatchObject({ currentVersion: "20261121.1" });
    await reportInstance(services.pool, two.id, { state: "running", at: fixture.clock.now() });
    expect(await promoting).toMatchObject({ version: "20261121.2", generation: 2 });
    const { rows } = await services.pool.query("SELECT phase, status, desired_state FROM deployment WHERE id = $1", [two.id]);
    expect(rows).toEqual([{ phase: "ready", status: "DEPLOYED", desired_state: "running" }]);
  });

  test("86: one whose replicas crash is given up at once, long before the time is up", async () => {
    const env = await newEnvironment();
    await versions(env, 1);
    const two = await insertReady(services.pool, env, { version: "20261121.2", phase: "stopped" });
    await promote(env, "20261121.1");
    const promoting = expect(promote(env, "20261121.2")).rejects.toMatchObject({ status: 400, message: REFUSALS.unhealthyWake });
    const desired = async () =>
      (await services.pool.query<{ desired_state: string }>("SELECT desired_state FROM deployment WHERE id = $1", [two.id])).rows[0]
        ?.desired_state;
    await waitFor(async () => (await desired()) === "running");
    // The clock of the test stands still: only the report can end the wait.
    await reportInstance(services.pool, two.id, { state: "failed", at: fixture.clock.now() });
    await promoting;
    expect(await desired()).toBe("stopped");
    expect(await pointer(env)).toMatchObject({ currentVersion: "20261121.1", generation: 1 });
  });

  test("86: one that does not become healthy leaves the current version, and is stopped again", async () => {
    const env = await newEnvironment();
    await versions(env, 1);
    const two = await insertReady(services.pool, env, { version: "20261121.2", phase: "stopped" });
    await promote(env, "20261121.1");
    const promoting = expect(promote(env, "20261121.2")).rejects.toMatchObject({ status: 400, message: REFUSALS.unhealthyWake });
    const stateOf = async () => {
      const { rows } = await services.pool.query<{ desired_state: string }>("SELECT desired_state FROM deployment WHERE id = $1", [two.id]);
      return rows[0]?.desired_state;
    };
    await waitFor(async () => (await stateOf()) === "running");
    fixture.clock.advance(61_000);
    await promoting;
    expect(await stateOf()).toBe("stopped");
    expect(await pointer(env)).toMatchObject({ currentVersion: "20261121.1", generation: 1 });
  });
});

describe("what follows", () => {
  test("85: waiting runs are released by a job of the newest move only", async () => {
    const env = await newEnvironment();
    await versions(env, 2);
    await promote(env, "20261121.1");
    await promote(env, "20261121.2");
    const { rows } = await services.pool.query<{ kind: "release_waiting_runs"; generation: number }>(
      "SELECT kind, generation FROM deployment_job WHERE environment_id = $1 ORDER BY generation",
      [env.id]
    );
    expect(rows.map(({ generation }) => generation)).toEqual([1, 2]);
    for (const { kind, generation } of rows) {
      const before = fixture.released.length;
      await fixture.deployments.followUps[kind]({ kind, generation, environmentId: env.id });
      expect(fixture.released.slice(before)).toEqual(generation === 2 ? [env.id] : []);
    }
  });

  test("every process sees the new version within 100 ms", async () => {
    const env = await newEnvironment();
    const [one, two] = await versions(env, 2);
    const { databaseUrl, pool, log } = services;
    const base = {
      pool,
      log,
      clock: systemClock,
      directDatabaseUrl: databaseUrl,
      encryptionKey: TEST_ENCRYPTION_KEY,
      defaultConcurrency: 1,
    };
    const other = createEnvironments(base);
    await other.start();
    try {
      await promote(env, "20261121.1");
      await waitFor(async () => (await other.byId(env.id))?.currentWorkerId === one?.workerId);
      const times: number[] = [];
      for (const target of [two, one, two, one, two]) {
        await promote(env, target?.version ?? "", true);
        const committedAt = performance.now();
        await waitFor(async () => (await other.bySecretKey(env.secretKey))?.currentWorkerId === target?.workerId);
        times.push(performance.now() - committedAt);
      }
      // The best of five: the machine that runs tests is shared, the path is not.
      expect(Math.min(...times)).toBeLessThan(100);
    } finally {
      await other.stop();
    }
  });
});
