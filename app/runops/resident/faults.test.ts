/** What a database does to a store: connections that die, locks that cross, plans that go stale. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  cancelRunning,
  completion,
  dequeue,
  executing,
  newRun,
  someId,
  type StoreUnderTest,
} from "../../../test/contract/runStoreFixtures";
import { createTestServices, type TestServices } from "../../../test/services";
import { manualClock } from "../../platform/clock";
import { inTransaction } from "../../platform/db.server";
import { silentLogger } from "../../platform/logger";
import { loadScript } from "../../platform/scripts.server";
import { mintId } from "../../utils/ids";
import { runDequeueGroup, runStartGroup, runTransitionGroup } from "./moves.server";
import { createRunStore, type ResidentStore } from "./resident.server";

const clock = manualClock(Date.UTC(2026, 2, 1, 12, 1));
let services: TestServices;
let store: ResidentStore;
let subject: StoreUnderTest;

beforeAll(async () => {
  services = await createTestServices();
  store = createRunStore({ url: services.databaseUrl, name: "faults", clock, log: silentLogger });
  subject = { store, now: () => clock.now(), advance: (ms) => clock.advance(ms), mint: () => mintId(clock.now()) };
});
afterAll(async () => {
  await store.stop();
  await services.close();
});

async function until(what: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await what())) {
    if (Date.now() > deadline) throw new Error("Waited ten seconds in vain.");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function count(sql: string): Promise<number> {
  const { rows } = await services.pool.query<{ n: number }>(sql);
  return rows[0]?.n ?? 0;
}

const killConnections = (kind: string) =>
  services.pool.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1",
    [`faults-${kind}`]
  );

describe("connections that die (156)", () => {
  test("triggers: every caller gets a run that exists, and there is no second one", async () => {
    const envId = someId();
    let stop = false;
    const killer = (async () => {
      while (!stop) {
        await killConnections("trigger");
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
    })();
    const runs = Array.from({ length: 300 }, () => newRun(subject, { envId, requestHash: Buffer.from(mintId(clock.now()).slice(-16)) }));
    const outcomes: PromiseSettledResult<{ kind: string }>[] = [];
    for (let at = 0; at < runs.length; at += 25)
      outcomes.push(...(await Promise.allSettled(runs.slice(at, at + 25).map((run) => store.trigger(run)))));
    stop = true;
    await killer;
    const acknowledged = runs.filter((_, i) => outcomes[i]?.status === "fulfilled");
    expect(acknowledged.length).toBeGreaterThan(0);
    for (const outcome of outcomes) if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ name: "RetryableError" });
    expect(outcomes.every((outcome) => outcome.status === "rejected" || outcome.value.kind === "created")).toBe(true);
    const live = await store.getLive(runs.map((run) => run.id));
    expect(acknowledged.filter((run) => !live.has(run.id))).toEqual([]);
    // What was refused is repeated by the caller with the same request: still one run each.
    for (const [i, run] of runs.entries()) if (outcomes[i]?.status === "rejected") await store.trigger({ ...run, id: mintId(clock.now()) });
    expect(await count(`SELECT count(*) AS n FROM run_ops.run WHERE env_id = '${envId}'`)).toBe(runs.length);
  });

  test("a committed group whose answer was lost is recognised as its own", async () => {
    const runs = Array.from({ length: 3 }, () => newRun(subject));
    await Promise.all(runs.map((run) => store.trigger(run)));
    const [a, b, c] = runs.map((run) => run.id) as [string, string, string];
    // The commit happens behind the store's back, at the time of the group: what a lost answer looks like.
    const deps = { pool: store.database.move };
    const request = { runId: a, epoch: 0, currentVersionId: "v1", relock: false };
    const context = { nowMs: clock.now(), repeated: false };
    expect((await runDequeueGroup(deps, [request], context))[0]?.kind).toBe("dequeued");
    expect((await runDequeueGroup(deps, [request], { ...context, repeated: true }))[0]).toMatchObject({
      kind: "dequeued",
      live: { deliveries: 1 },
    });
    clock.advance(1);
    expect((await runDequeueGroup(deps, [request], { nowMs: clock.now(), repeated: true }))[0]?.kind).toBe("gone");
    await dequeue(subject, b);
    const cancel = cancelRunning(subject, b, 2);
    const now = { nowMs: clock.now(), repeated: false };
    expect((await runTransitionGroup(deps, [cancel], now))[0]?.kind).toBe("changed");
    expect((await runTransitionGroup(deps, [cancel], { ...now, repeated: true }))[0]?.kind).toBe("changed");
    expect((await runTransitionGroup(deps, [cancel], now))[0]?.kind).toBe("missed");
    await dequeue(subject, c);
    expect((await runStartGroup(deps, [{ runId: c, seq: 2, replayKey: "k", maxAttempt: 9 }], now))[0]?.kind).toBe("started");
  });

  test("an unreachable database is a 503, not a hang", async () => {
    const away = createRunStore({ url: "postgres://nobody@127.0.0.1:1/none", name: "away", clock, log: silentLogger });
    await expect(away.trigger(newRun(subject))).rejects.toMatchObject({ name: "RetryableError" });
    await expect(away.getRun("e", mintId(clock.now()))).rejects.toMatchObject({ name: "RetryableError" });
    await expect(away.getLive([mintId(clock.now())])).rejects.toMatchObject({ name: "RetryableError" });
    await away.stop();
  });
});

describe("locks", () => {
  test("groups that meet the same runs in every verb never lose a caller to a deadlock (158)", async () => {
    const runs = await Promise.all(Array.from({ length: 40 }, () => executing(subject, newRun(subject))));
    const ids = runs.map((run) => run.id);
    const child = (parentId: string, key: string) =>
      newRun(subject, { envId: runs[0]?.envId ?? "", parentId, idempotency: { key, expiresAt: new Date(clock.now() + 1_000) } });
    const calls = ids.flatMap((id, i) => [
      store.finish(completion(ids[ids.length - 1 - i] ?? id, 3, { freeIdempotencyKey: true })),
      store.transition(cancelRunning(subject, id, 3)),
      store.trigger(child(id, `k${i % 5}`)),
      store.trigger(child(ids[ids.length - 1 - i] ?? id, `k${(i * 3) % 5}`)),
    ]);
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.filter((outcome) => outcome.status === "rejected")).toEqual([]);
    expect(
      (await store.getLive(ids)).size + (await count(`SELECT count(*) AS n FROM run_ops.run_result WHERE id = ANY ('{${ids.join(",")}}')`))
    ).toBe(40);
  });

  test("a child triggered while its parent is being cancelled is created cancelled", async () => {
    const parent = await executing(subject, newRun(subject));
    const child = newRun(subject, { envId: parent.envId, parentId: parent.id });
    const pending = await inTransaction(services.pool, async (tx) => {
      await tx.query("UPDATE run_ops.run_live SET state = 8, status = 12, seq = 4 WHERE id = $1", [parent.id]);
      const call = store.trigger(child);
      await until(
        async () =>
          (await count(
            "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'faults-trigger' AND wait_event_type = 'Lock' AND datname = current_database()"
          )) > 0
      );
      return { call };
    });
    expect(await pending.call).toEqual({ kind: "created-canceled", runId: child.id });
  });

  test("a child triggered while its parent finishes finds the result", async () => {
    const parent = await executing(subject, newRun(subject));
    const child = newRun(subject, { envId: parent.envId, parentId: parent.id });
    const pending = await inTransaction(services.pool, async (tx) => {
      await tx.query(
        `WITH gone AS (DELETE FROM run_ops.run_live WHERE id = $1 RETURNING *)
         INSERT INTO run_ops.run_result (id, created_at, env_id, task, status, completed_at, attempts, final_seq, usage_ms, cost, hist, updated_at)
         SELECT id, created_at, env_id, task, 12, updated_at, 1, 4, 0, 0, hist, updated_at FROM gone`,
        [parent.id]
      );
      const call = store.trigger(child);
      await until(
        async () =>
          (await count(
            "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'faults-trigger' AND wait_event_type = 'Lock' AND datname = current_database()"
          )) > 0
      );
      return { call };
    });
    expect(await pending.call).toEqual({ kind: "created-canceled", runId: child.id });
  });

  test("a bump waits for the group in flight", async () => {
    const { epoch } = await store.readEpoch();
    await store.announceRebuild("me");
    const order: string[] = [];
    const bump = await inTransaction(services.pool, async (tx) => {
      await tx.query("SELECT 1 FROM run_ops.engine_epoch WHERE kind = 'current' FOR SHARE");
      const call = store.bumpEpoch("me", "r").then(() => order.push("bumped"));
      await until(
        async () =>
          (await count(
            "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'faults-read' AND wait_event_type = 'Lock' AND datname = current_database()"
          )) > 0
      );
      order.push("group committed");
      return { call };
    });
    await bump.call;
    await store.finishRebuild(epoch + 1);
    expect(order).toEqual(["group committed", "bumped"]);
  });
});

describe("plans", () => {
  /** The generic plan of a group statement on a connection of the given pool, as text. */
  async function plan(pool: ResidentStore["database"]["move"], file: string): Promise<string> {
    const sql = loadScript(file);
    const parameters = Math.max(...[...sql.matchAll(/\$(\d+)/g)].map((match) => Number(match[1])));
    const client = await pool.connect();
    try {
      await client.query(`PREPARE checked AS ${sql}`);
      const { rows } = await client.query<{ "QUERY PLAN": string }>(`EXPLAIN EXECUTE checked(${Array(parameters).fill("NULL").join(",")})`);
      await client.query("DEALLOCATE checked");
      return rows.map((row) => row["QUERY PLAN"]).join("\n");
    } finally {
      client.release();
    }
  }

  test.each(["dequeue", "start", "finish", "transition"])("%s reaches live rows by their key, planned on an empty table", async (verb) => {
    await services.pool.query("VACUUM ANALYZE run_ops.run_live");
    const text = await plan(store.database.move, `runops/sql/${verb}.sql`);
    expect(text).toContain("Index Scan using run_live_pkey");
    expect(text).not.toMatch(/Seq Scan on run_live/);
    expect(text).not.toMatch(/Hash Join|Merge Join/);
  });

  test.each(["trigger", "trigger-plain"])("%s scans no table", async (verb) => {
    const text = await plan(store.database.trigger, `runops/sql/${verb}.sql`);
    expect(text).not.toMatch(/Seq Scan on (run|idempotency|request|one_time)/);
  });
});
