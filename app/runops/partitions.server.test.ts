/** Partitions and sweeps on a real database. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { completion, executing, keyed, newRun, type StoreUnderTest } from "../../test/contract/runStoreFixtures";
import { createTestServices, type TestServices } from "../../test/services";
import { manualClock } from "../platform/clock";
import { silentLogger } from "../platform/logger";
import { mintId, mintRunOpsId } from "../utils/ids";
import { createPartitionLoop, maintainPartitions, type PartitionDeps } from "./partitions.server";
import { createRunStore, type ResidentStore } from "./resident/resident.server";
import { createRunOps } from "./runops.server";
import { sweep } from "./sweeps.server";

const DAY = 86_400_000;
const START = Date.UTC(2026, 2, 5, 12, 1);

let services: TestServices;
let store: ResidentStore;
let subject: StoreUnderTest;
let deps: PartitionDeps;
let clock = manualClock(START);

beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());
beforeEach(async () => {
  clock = manualClock(START);
  store = createRunStore({ url: services.databaseUrl, name: "partitions", clock, log: silentLogger });
  subject = {
    store,
    now: () => clock.now(),
    advance: (ms) => clock.advance(ms),
    mint: (shape = 0) => (shape ? mintRunOpsId(clock.now(), 1) : mintId(clock.now())),
  };
  deps = { pool: store.database.maintenance, withLock: store.withLock, clock, log: silentLogger, retentionDays: 30, periodDays: 7 };
  for (const name of await partitions("run")) await services.pool.query(`DROP TABLE run_ops.${name}`);
  for (const name of await partitions("run_result")) await services.pool.query(`DROP TABLE run_ops.${name}`);
  await services.pool.query(
    "TRUNCATE run_ops.run, run_ops.run_result, run_ops.run_live, run_ops.idempotency_key, run_ops.one_time_token, run_ops.request_replay_a, run_ops.request_replay_b"
  );
  return () => store.stop();
});

async function partitions(table: "run" | "run_result"): Promise<string[]> {
  const { rows } = await services.pool.query<{ name: string }>(
    "SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass AND c.relname NOT LIKE '%default' ORDER BY 1",
    [`run_ops.${table}`]
  );
  return rows.map((row) => row.name);
}

async function count(table: string): Promise<number> {
  const { rows } = await services.pool.query<{ n: number }>(`SELECT count(*) AS n FROM run_ops.${table}`);
  return rows[0]?.n ?? 0;
}

describe("partitions", () => {
  test("are made ahead; a second pass makes none; rows that came before move in", async () => {
    const early = await executing(subject, newRun(subject));
    await store.finish(completion(early.id, 3));
    await store.trigger(newRun(subject));
    expect(await count("run_default")).toBe(2);
    expect(await maintainPartitions(deps)).toEqual({ created: 8, dropped: 0 });
    expect(await maintainPartitions(deps)).toEqual({ created: 0, dropped: 0 });
    expect(await partitions("run")).toEqual([
      "run_p20260305_20260312",
      "run_p20260312_20260319",
      "run_p20260319_20260326",
      "run_p20260326_20260402",
    ]);
    expect([await count("run_default"), await count("run_result_default"), await count("run_p20260305_20260312")]).toEqual([0, 0, 2]);
    expect((await store.getRun(early.envId, early.id))?.status).toBe("COMPLETED_SUCCESSFULLY");
    await store.trigger(newRun(subject));
    expect(await count("run_p20260305_20260312")).toBe(3);
  });

  test("lists span partitions; a dropped one is empty, not an error (141)", async () => {
    const envId = mintId(clock.now());
    await maintainPartitions(deps);
    const ids: string[] = [];
    for (let week = 0; week < 8; week++) {
      const run = newRun(subject, { envId });
      ids.unshift(run.id);
      await store.trigger(run);
      await store.finish(completion(run.id, 0, { guard: { seq: 1 }, status: "CANCELED" }));
      clock.advance(7 * DAY);
      await maintainPartitions(deps);
    }
    const seen: string[] = [];
    let after: string | undefined;
    for (;;) {
      const page = await store.listRuns({ envId, pageSize: 2, after });
      seen.push(...page.runs.map((run) => run.header.id));
      if (page.next === null) break;
      after = page.next;
    }
    expect(seen).toEqual(ids.slice(0, seen.length));
    expect(seen.length).toBeLessThan(8);
    expect(await store.getRun(envId, ids.at(-1) ?? "")).toBeNull();
    expect(await store.listRuns({ envId, pageSize: 5, after: ids.at(-1) })).toEqual({ runs: [], next: null, previous: ids.at(-1) });
  });

  test("a live run keeps its partition past the retention, and a fresh result for a day (164)", async () => {
    await maintainPartitions(deps);
    const old = newRun(subject, { initial: { state: "DELAYED", status: "DELAYED" }, dueAt: new Date(START + 300 * DAY) });
    const oldToo = newRun(subject, { id: subject.mint(1) });
    await store.trigger(old);
    await store.trigger(oldToo);
    await store.finish(completion(oldToo.id, 0, { guard: { seq: 1 }, status: "EXPIRED" }));
    clock.advance(60 * DAY);
    await maintainPartitions(deps);
    expect(await partitions("run")).toContain("run_p20260305_20260312");
    expect(await partitions("run")).not.toContain("run_p20260312_20260319");
    await store.finish(completion(old.id, 0, { guard: { seq: 1 }, status: "EXPIRED" }));
    clock.advance(DAY / 2);
    await maintainPartitions(deps);
    expect(await store.getRun(old.envId, old.id)).toMatchObject({ status: "EXPIRED" });
    clock.advance(DAY);
    await maintainPartitions(deps);
    expect(await partitions("run")).not.toContain("run_p20260305_20260312");
    expect(await partitions("run_result")).not.toContain("run_result_p20260305_20260312");
  });

  test("maintenance under load loses nothing (164)", async () => {
    const envId = mintId(clock.now());
    const loop = createPartitionLoop(deps);
    const runs = Array.from({ length: 600 }, () => newRun(subject, { envId }));
    const load = (async () => {
      for (let at = 0; at < runs.length; at += 30) await Promise.all(runs.slice(at, at + 30).map((run) => store.trigger(run)));
    })();
    await loop.runOnce();
    await load;
    expect(await count("run")).toBe(600);
    expect(await count("run_live")).toBe(600);
  });

  test("old rows of the default partition go, in steps, when nothing needs them", async () => {
    const done = await executing(subject, newRun(subject));
    await store.finish(completion(done.id, 3));
    const live = newRun(subject);
    await store.trigger(live);
    clock.advance(40 * DAY);
    await maintainPartitions(deps);
    expect(await store.getRun(done.envId, done.id)).toBeNull();
    expect(await store.getRun(live.envId, live.id)).not.toBeNull();
    expect([await count("run"), await count("run_result")]).toEqual([1, 0]);
  });

  test("two processes maintain at once: one does, the other leaves it", async () => {
    const [a, b] = [createPartitionLoop(deps), createPartitionLoop(deps)];
    await Promise.all([a.runOnce(), b.runOnce()]);
    expect(await partitions("run")).toHaveLength(4);
  });
});

describe("sweeps", () => {
  test("expired keys and tokens go, living ones stay; recorded requests live through a turn", async () => {
    const living = keyed(subject, "later", { idempotency: { key: "later", expiresAt: new Date(START + 2 * DAY) } });
    await store.trigger(living);
    await store.trigger(
      keyed(subject, "soon", {
        oneTimeToken: { hash: Buffer.from("t"), expiresAt: new Date(START + 1_000) },
        requestHash: Buffer.from("0123456789abcdef"),
      })
    );
    const run = () =>
      sweep({ pool: store.database.maintenance, withLock: store.withLock, clock, log: silentLogger }, new AbortController().signal);
    await run();
    expect([await count("idempotency_key"), await count("one_time_token")]).toEqual([2, 1]);
    clock.advance(9 * 60_000);
    await run();
    expect((await store.trigger(newRun(subject, { requestHash: Buffer.from("0123456789abcdef") }))).kind).toBe("replayed");
    clock.advance(DAY);
    await run();
    expect([await count("idempotency_key"), await count("one_time_token")]).toEqual([1, 0]);
    clock.advance(15 * 60_000);
    await run();
    clock.advance(10 * 60_000);
    await run();
    expect([await count("request_replay_a"), await count("request_replay_b")]).toEqual([0, 0]);
    expect(await store.trigger(keyed(subject, "later", { envId: living.envId }))).toEqual({ kind: "cached", runId: living.id });
  });
});

test("a key never outlives its run's retention", async () => {
  const run = keyed(subject, "long", { idempotency: { key: "long", expiresAt: new Date(START + 900 * DAY) } });
  await store.trigger(run);
  const { rows } = await services.pool.query<{ expires_at: Date }>("SELECT expires_at FROM run_ops.idempotency_key");
  expect(rows[0]?.expires_at).toEqual(new Date(START + 30 * DAY));
});

test("the run databases start with their partitions and stop without losing what waits", async () => {
  const runOps = createRunOps({
    databaseUrl: services.databaseUrl,
    retentionDays: 30,
    partitionDays: 1,
    writeConnections: 3,
    clock,
    log: silentLogger,
  });
  await runOps.start();
  expect(await partitions("run")).toHaveLength(4);
  const calls = Array.from({ length: 20 }, () => runOps.store.trigger(newRun(subject)));
  await runOps.stop();
  expect((await Promise.all(calls)).every((outcome) => outcome.kind === "created")).toBe(true);
  expect(await count("run_live")).toBe(20);
});
