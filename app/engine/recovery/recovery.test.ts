import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { limitsOf, until } from "../../../test/indexFixture";
import {
  completeRun,
  indexContents,
  joinProcess,
  laneOfRun,
  queuedRun,
  startRuns,
  trigger,
  type Member,
  type MemberOptions,
} from "../../../test/recoveryFixture";
import { createTestServices, startRedisServer, type PrivateRedis, type TestServices } from "../../../test/services";
import { silentLogger } from "../../platform/logger";
import { createRedis, type Redis } from "../../platform/redis.server";
import type { EnvironmentLimits } from "../queueIndex/queueIndex";

let services: TestServices;
let server: PrivateRedis;
let redis: Redis;
let members: Member[] = [];
let limits: Map<string, EnvironmentLimits>;

beforeAll(async () => {
  services = await createTestServices();
  server = await startRedisServer();
  redis = createRedis({ url: server.url, name: "test", log: silentLogger });
});
afterAll(async () => {
  redis.disconnect();
  await server.close();
  await services.close();
});
beforeEach(async () => {
  limits = new Map();
  await redis.flushall();
  await services.pool.query("TRUNCATE run_ops.run, run_ops.run_live, run_ops.run_result");
});
afterEach(async () => {
  await Promise.all(members.map((member) => member.stop()));
  members = [];
});

async function join(over: Partial<MemberOptions> = {}): Promise<Member> {
  const member = await joinProcess({ databaseUrl: services.databaseUrl, redisUrl: server.url, limits, ...over });
  members.push(member);
  return member;
}

const epochOf = (member: Member) => member.index.epoch() ?? 0;

describe("rebuild", () => {
  test("a new server builds the index from what is in the database", async () => {
    const member = await join();
    const run = queuedRun("e1");
    await member.store.trigger(run);
    expect(await member.index.take("main", 1, Date.now())).toEqual([]);
    await member.recovery.ensureReady();
    expect((await member.index.take("main", 5, Date.now())).map((claim) => claim.runId)).toEqual([run.id]);
  });

  test("after FLUSHALL the index equals the one that grew by events", async () => {
    const member = await join();
    await member.recovery.ensureReady();
    limits.set("e1", limitsOf("e1", { max: 6 }));
    const shapes = ["task/a", "b"].flatMap((queue) => [null, "k1", "k2"].map((concurrencyKey) => ({ queue, concurrencyKey })));
    for (let i = 0; i < 60; i++) await trigger(member, queuedRun(`e${i % 3}`, shapes[i % shapes.length]));
    const started = await startRuns(member, 20);
    for (const live of started.slice(0, 8)) expect(await completeRun(member, live)).toBe(true);
    const grown = await indexContents(redis, epochOf(member));
    const before = epochOf(member);
    await redis.flushall();
    await member.recovery.ensureReady();
    expect(epochOf(member)).toBe(before + 1);
    // A start moves the seq without telling the index, which only compares; the rebuilt one knows the newer seq.
    expect(withoutSeqs(await indexContents(redis, before + 1))).toEqual(withoutSeqs(grown));
  });

  test("claims of the epoch before are refused by the database", async () => {
    const member = await join();
    await member.recovery.ensureReady();
    const run = await trigger(member, queuedRun("e1"));
    const [claim] = await member.index.take("main", 1, Date.now());
    if (!claim) throw new Error("a claim expected");
    await redis.flushall();
    await member.recovery.ensureReady();
    expect(await member.store.dequeue({ runId: run.id, epoch: claim.epoch, currentVersionId: "v1", relock: false })).toEqual({
      kind: "stale-epoch",
    });
    const [again] = await member.index.take("main", 1, Date.now());
    expect(again).toMatchObject({ runId: run.id, epoch: claim.epoch + 1 });
    // The late confirm of a void claim must not look like that of the new one.
    expect(again?.claim).toBeGreaterThan(claim.claim);
  });

  test("two rebuilders: one wins, the other adopts the same result", async () => {
    const [a, b] = [await join(), await join()];
    await a.recovery.ensureReady();
    await b.recovery.ensureReady();
    const before = epochOf(a);
    for (let i = 0; i < 20; i++) await trigger(a, queuedRun("e1"));
    await redis.flushall();
    await Promise.all([a.recovery.ensureReady(), b.recovery.ensureReady()]);
    expect([epochOf(a), epochOf(b)]).toEqual([before + 1, before + 1]);
    const taken = (await Promise.all([a.index.take("main", 20, Date.now()), b.index.take("main", 20, Date.now())])).flat();
    expect(new Set(taken.map((claim) => claim.runId)).size).toBe(20);
  });

  test("what is removed while the index is being built is not loaded from an older read", async () => {
    const member = await join();
    await member.recovery.ensureReady();
    const epoch = epochOf(member) + 1;
    const { control } = member.index;
    await control.begin(epoch);
    control.adopt(epoch, "building");
    const lane = laneOfRun(queuedRun("e1"));
    await member.index.release([{ runId: "ended", lane, seq: 5 }]);
    await member.index.remove([{ runId: "cancelled", lane }]);
    await member.index.release([{ runId: "retried", lane, seq: 5 }]);
    const row = { lane, score: 1 };
    const rows = [
      { ...row, id: "ended", seq: 4, state: "EXECUTING" as const },
      { ...row, id: "cancelled", seq: 1, state: "QUEUED" as const },
      { ...row, id: "retried", seq: 5, state: "QUEUED" as const },
      { ...row, id: "running", seq: 3, state: "EXECUTING" as const },
      { ...row, id: "waiting", seq: 3, state: "EXECUTING_WITH_WAITPOINTS" as const },
    ];
    await control.load(epoch, rows, () => 99);
    expect(await member.index.take("main", 9, Date.now())).toEqual([]);
    await control.finish(epoch, 0);
    control.adopt(epoch, "ready");
    expect(await member.index.counts("e1")).toEqual({ queued: 1, running: 1 });
    expect((await member.index.overdue(100, 9)).toSorted()).toEqual(["running", "waiting"]);
    await expect(control.load(epoch, rows, () => 99)).rejects.toThrow("not being built");
  });

  test("writes during an outage wait in memory and reach the new epoch", async () => {
    const member = await join();
    await member.recovery.start();
    await member.recovery.ensureReady();
    const before = epochOf(member);
    await server.kill();
    const run = await trigger(member, queuedRun("e1"));
    expect(await member.index.take("main", 1, Date.now())).toEqual([]);
    await server.restart();
    await until("the run is offered", async () => (await member.index.take("main", 1, Date.now())).some((claim) => claim.runId === run.id));
    // A try that met the dying server may have used one up.
    expect(epochOf(member)).toBeGreaterThan(before);
  });

  test("a rebuilder that died on the way is replaced, wherever it died", async () => {
    const dead = await join();
    const member = await join();
    await trigger(dead, queuedRun("e1"), true);
    const redisRunId = (await dead.index.control.redisRunId(5_000)) ?? "";
    await dead.store.announceRebuild("dead");
    await member.recovery.ensureReady();
    const first = epochOf(member);
    await dead.index.control.retire(first);
    await dead.store.announceRebuild("dead");
    const { epoch } = await dead.store.bumpEpoch("dead", redisRunId);
    await dead.index.control.begin(epoch);
    await member.recovery.ensureReady();
    expect(epochOf(member)).toBe(epoch + 1);
    // The dead one wakes up: its epoch is refused.
    const late = dead.index.control.finish(epoch, 0);
    await expect(late).rejects.toThrow("not being built");
    const [live] = await startRuns(member, 1);
    expect(live && (await completeRun(member, live))).toBe(true);
  });

  test("old epochs leave nothing behind", async () => {
    const member = await join();
    await member.recovery.ensureReady();
    await trigger(member, queuedRun("e1"));
    const before = epochOf(member);
    await member.recovery.rebuild();
    expect(epochOf(member)).toBe(before + 1);
    await until("old keys are gone", async () => (await redis.keys(`q:${before}:*`)).length === 0);
    expect(await member.index.counts("e1")).toEqual({ queued: 1, running: 0 });
  });

  test("a store that answers stale-epoch is believed", async () => {
    const [a, b] = [await join(), await join()];
    await a.recovery.start();
    await a.recovery.ensureReady();
    await b.recovery.ensureReady();
    const before = epochOf(a);
    await b.recovery.rebuild();
    expect(await a.index.renewEpoch(before)).toBe(before + 1);
  });
});

describe("re-check", () => {
  test("a run whose enqueue was lost is offered once, and the next pass starts where this one ended", async () => {
    const member = await join();
    await member.recovery.ensureReady();
    await member.index.control.writeMark("recheck", Date.now() - 60_000);
    const lost = await trigger(member, queuedRun("e1", {}, 20_000), true);
    const young = await trigger(member, queuedRun("e1"), true);
    await member.recovery.loops.recheck.runOnce();
    expect((await member.index.take("main", 9, Date.now())).map((claim) => claim.runId)).toEqual([lost.id]);
    const mark = await member.index.control.readMark("recheck");
    expect(mark).toBeGreaterThan(Date.now() - 15_000);
    await member.recovery.loops.recheck.runOnce();
    expect(await member.index.control.readMark("recheck")).toBe(mark);
    expect(young.id).not.toBe(lost.id);
  });
});

describe("audit", () => {
  test("heals an extra slot, a missing slot and a lost confirm, after two looks", async () => {
    const member = await join();
    await member.recovery.ensureReady();
    const epoch = epochOf(member);
    for (let i = 0; i < 4; i++) await trigger(member, queuedRun("e1"));
    const [extra, missing, unconfirmed] = await startRuns(member, 3);
    if (!extra || !missing || !unconfirmed) throw new Error("three runs expected");
    const truth = await indexContents(redis, epoch);
    const slots = `q:${epoch}:{0}:RE:e1`;
    const lane = (await redis.hget(slots, extra.id))?.replace(/^[^|]*\|/, "");
    await redis.hset(slots, "ghost", `4|${lane}`);
    await redis.sadd(`q:${epoch}:{0}:RL:${lane?.replace(/\|[^|]*$/, "")}`, "ghost");
    await member.index.release([{ runId: missing.id, lane: missing.lane, seq: 99, keepBeat: true }]);
    await redis.hset(slots, unconfirmed.id, `c17|${lane}`);
    await member.recovery.loops.audit.runOnce();
    expect(await redis.hexists(slots, "ghost")).toBe(1);
    await member.recovery.loops.audit.runOnce();
    expect(withoutSeqs(await indexContents(redis, epoch))).toEqual(withoutSeqs(truth));
  });

  test("leaves claims in flight and runs on their way alone, and asks no database when nothing runs", async () => {
    const member = await join();
    await member.recovery.ensureReady();
    await trigger(member, queuedRun("e1"));
    const [claim] = await member.index.take("main", 1, Date.now());
    for (let i = 0; i < 3; i++) await member.recovery.loops.audit.runOnce();
    expect((await member.index.counts("e1")).running).toBe(1);
    if (claim) await member.index.release([claim]);
    await member.store.stop();
    // A closed store fails every query, so this passes only without one.
    await member.recovery.loops.audit.runOnce();
    await member.recovery.loops.stalls.runOnce();
    await member.recovery.loops.watch.runOnce();
  });
});

describe("sweep", () => {
  test("heals a missing entry, an extra entry and a slot lost with its deadline", async () => {
    const member = await join({ sweepEveryMs: 1 });
    await member.recovery.ensureReady();
    await member.recovery.loops.sweep.runOnce();
    await trigger(member, queuedRun("e2"));
    const [running] = await startRuns(member, 1);
    if (!running) throw new Error("a running run expected");
    const lost = await trigger(member, queuedRun("e1", {}, 3_600_000), true);
    await member.index.enqueue([{ runId: queuedRun("e1").id, lane: laneOfRun(lost), score: 1 }]);
    await member.index.release([{ runId: running.id, lane: running.lane, seq: 99 }]);
    await until("the sweep is due", async () => Date.now() > ((await member.index.control.readMark("sweep")) ?? 0) + 1);
    await member.recovery.loops.sweep.runOnce();
    expect(await member.index.counts("e1")).toEqual({ queued: 1, running: 0 });
    expect(await member.index.counts("e2")).toEqual({ queued: 0, running: 1 });
    expect((await member.index.take("main", 9, Date.now())).map((claim) => claim.runId)).toEqual([lost.id]);
  });
});

describe("stalls", () => {
  test("an expired claim goes back to its lane; a silent run goes to the engine; a final one is forgotten", async () => {
    const clock = shiftedClock();
    const member = await join({ clock });
    await member.recovery.ensureReady();
    await member.recovery.loops.stalls.runOnce();
    await trigger(member, queuedRun("e1"));
    await trigger(member, queuedRun("e1", { queue: "b" }));
    const [silent] = await startRuns(member, 1);
    const [claim] = await member.index.take("main", 1, Date.now());
    if (!silent || !claim) throw new Error("a run and a claim expected");
    await redis.zadd(`q:${epochOf(member)}:{0}:HB`, 1, "final");
    await redis.zadd(`q:${epochOf(member)}:{0}:HB`, "XX", 2, silent.id, 3, claim.runId);
    clock.shift(1_000);
    await member.recovery.loops.stalls.runOnce();
    expect(member.overdue).toEqual([silent.id]);
    expect(await member.index.counts("e1")).toEqual({ queued: 1, running: 1 });
    expect((await member.index.take("main", 9, Date.now())).map((each) => each.runId)).toEqual([claim.runId]);
    expect(await member.index.overdue(100, 9)).toEqual([]);
  });

  test("after the loop was away every overdue entry gets one fresh timeout", async () => {
    const clock = shiftedClock();
    const member = await join({ clock });
    await member.recovery.ensureReady();
    await member.recovery.loops.stalls.runOnce();
    await trigger(member, queuedRun("e1"));
    const [run] = await startRuns(member, 1);
    if (!run) throw new Error("a run expected");
    clock.shift(400_000);
    await member.recovery.loops.stalls.runOnce();
    expect(member.overdue).toEqual([]);
    expect(await member.index.overdue(clock.now() + 299_000, 9)).toEqual([]);
    for (let second = 0; second < 75; second++) {
      clock.shift(4_000);
      await member.recovery.loops.stalls.runOnce();
    }
    expect(member.overdue).toEqual([run.id]);
  });
});

/** The time of this machine, moved by the test. */
function shiftedClock() {
  let offsetMs = 0;
  return {
    now: () => Date.now() + offsetMs,
    shift(ms: number) {
      offsetMs += ms;
    },
  };
}

function withoutSeqs(contents: Record<string, unknown>): unknown {
  return JSON.parse(JSON.stringify(contents).replaceAll(/"\d+\|/g, '"seq|'));
}
