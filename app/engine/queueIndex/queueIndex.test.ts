import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { itemsOf, laneOf, limitsOf, NOW, openIndex, until } from "../../../test/indexFixture";
import { createTestServices, type TestServices } from "../../../test/services";
import { laneKey, laneRef } from "./keys";
import type { Claim, EnvironmentLimits, IndexItem } from "./queueIndex";
import type { QueueIndexDriver } from "./queueIndex.server";

let services: TestServices;
let index: QueueIndexDriver;
let limits: Map<string, EnvironmentLimits>;
let opened: QueueIndexDriver[] = [];
let round = 0;
let namespace = "";

beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

beforeEach(async () => {
  namespace = `t${round++}`;
  limits = new Map();
  index = await open();
});
afterEach(async () => {
  await Promise.all(opened.map((each) => each.stop()));
  opened = [];
});

async function open(): Promise<QueueIndexDriver> {
  const driver = await openIndex({ redis: services.redis, namespace, limits });
  opened.push(driver);
  return driver;
}

const idsOf = (claims: readonly Claim[]) => claims.map((claim) => claim.runId);
const giveBack = (claims: readonly Claim[]) => index.release(claims.map(({ runId, lane, claim }) => ({ runId, lane, claim })));
const confirmed = (claims: readonly Claim[], seq: number) =>
  index.confirm(claims.map(({ runId, lane, claim }) => ({ runId, lane, claim, seq, deadlineMs: NOW + 60_000 })));
const finish = (claims: readonly Claim[], seq = 9) => index.release(claims.map(({ runId, lane, claim }) => ({ runId, lane, claim, seq })));

describe("order", () => {
  test("runs of one lane are handed out in score order", async () => {
    const items = itemsOf(laneOf("e1"), 30);
    await index.enqueue(items.toReversed());
    expect(idsOf(await index.take("main", 30, NOW))).toEqual(items.map((item) => item.runId));
  });

  test("the oldest head of all lanes goes first", async () => {
    const lanes = ["a", "b", "c"].map((queue) => laneOf("e1", { queue }));
    const items: IndexItem[] = Array.from({ length: 30 }, (_, i) => ({
      runId: `r${i}`,
      lane: lanes[i % 3] ?? laneOf("e1"),
      score: NOW + i,
    }));
    await index.enqueue(items);
    expect(idsOf(await index.take("main", 30, NOW))).toEqual(items.map((item) => item.runId));
  });

  test("priority 10 overtakes what was queued up to 10 s earlier, and nothing older", async () => {
    const lane = laneOf("e1");
    await index.enqueue([
      { runId: "old", lane, score: NOW - 11_000 },
      { runId: "recent", lane, score: NOW - 9_000 },
    ]);
    await index.enqueue([{ runId: "urgent", lane, score: NOW - 10_000 }]);
    expect(idsOf(await index.take("main", 3, NOW))).toEqual(["old", "urgent", "recent"]);
  });

  test("a region gets only its own runs", async () => {
    await index.enqueue([...itemsOf(laneOf("e1"), 2), ...itemsOf(laneOf("e1", { region: "eu|west" }), 3)]);
    const claims = await index.take("eu|west", 10, NOW);
    expect(claims.map((claim) => claim.lane.region)).toEqual(["eu|west", "eu|west", "eu|west"]);
    expect(await index.take("main", 10, NOW)).toHaveLength(2);
  });
});

describe("limits", () => {
  test("an environment never holds more than its hard cap; freed slots are offered again", async () => {
    limits.set("e1", limitsOf("e1", { max: 5 }));
    await index.enqueue(itemsOf(laneOf("e1"), 12));
    const first = await index.take("main", 100, NOW);
    expect(first).toHaveLength(5);
    expect(await index.take("main", 100, NOW)).toEqual([]);
    await confirmed(first, 2);
    await finish(first.slice(0, 2));
    expect(await index.take("main", 100, NOW)).toHaveLength(2);
  });

  test("burst raises the cap of the environment, not of a queue", async () => {
    limits.set("e1", limitsOf("e1", { max: 10, base: 5 }));
    await index.enqueue([...itemsOf(laneOf("e1", { queue: "a" }), 20), ...itemsOf(laneOf("e1", { queue: "b" }), 20)]);
    const claims = await index.take("main", 100, NOW);
    expect(claims).toHaveLength(10);
    expect(claims.filter((claim) => claim.lane.queue === "a")).toHaveLength(5);
  });

  test("queue limit 1 is strictly serial, limit 0 never starts, above the environment's it is the environment's", async () => {
    const queues = [
      { name: "one", limit: 1, paused: false },
      { name: "none", limit: 0, paused: false },
      { name: "many", limit: 50, paused: false },
    ];
    limits.set("e1", limitsOf("e1", { max: 8, base: 4, queues }));
    for (const { name } of queues) await index.enqueue(itemsOf(laneOf("e1", { queue: name }), 20));
    const held = await index.take("main", 100, NOW);
    const count = (queue: string) => held.filter((claim) => claim.lane.queue === queue).length;
    expect([count("one"), count("none"), count("many")]).toEqual([1, 0, 4]);
    await finish(held.filter((claim) => claim.lane.queue === "one"));
    expect((await index.take("main", 100, NOW)).map((claim) => claim.lane.queue)).toEqual(["one"]);
  });

  test("each concurrency key has the whole queue limit; odd and long keys are told apart", async () => {
    limits.set("e1", limitsOf("e1", { queues: [{ name: "task/a", limit: 2, paused: false }] }));
    const keys = ["x".repeat(400), "x".repeat(401), "a|b%7C\n\u0000é"];
    for (const [i, concurrencyKey] of keys.entries()) await index.enqueue(itemsOf(laneOf("e1", { concurrencyKey }), 5, 100 * i));
    const claims = await index.take("main", 100, NOW);
    expect(claims).toHaveLength(6);
    const lanes = [...new Set(claims.map((claim) => claim.lane.laneKey))];
    expect(lanes.map((lane) => claims.filter((claim) => claim.lane.laneKey === lane).length)).toEqual([2, 2, 2]);
  });

  test("two regions share the limits of environment and queue", async () => {
    limits.set("e1", limitsOf("e1", { max: 5, queues: [{ name: "task/a", limit: 3, paused: false }] }));
    await index.enqueue([...itemsOf(laneOf("e1"), 9), ...itemsOf(laneOf("e1", { region: "eu" }), 9)]);
    const main = await index.take("main", 2, NOW);
    expect(main).toHaveLength(2);
    expect(await index.take("eu", 9, NOW)).toHaveLength(1);
    await finish(main);
    expect(await index.take("eu", 9, NOW)).toHaveLength(2);
  });

  test("lowering a limit stops nothing that runs and starts nothing until below", async () => {
    limits.set("e1", limitsOf("e1", { max: 6 }));
    await index.enqueue(itemsOf(laneOf("e1"), 20));
    const held = await index.take("main", 6, NOW);
    await index.setLimits(limitsOf("e1", { max: 3 }));
    await finish(held.slice(0, 3));
    expect(await index.take("main", 9, NOW)).toEqual([]);
    await finish(held.slice(3, 5));
    expect(await index.take("main", 9, NOW)).toHaveLength(2);
  });

  test("raising a limit wakes the blocked lanes at once", async () => {
    limits.set("e1", limitsOf("e1", { queues: [{ name: "task/a", limit: 0, paused: false }] }));
    const lanes = Array.from({ length: 30 }, (_, i) => laneOf("e1", { concurrencyKey: `k${i}` }));
    await index.enqueue(lanes.flatMap((lane) => itemsOf(lane, 1)));
    expect(await index.take("main", 100, NOW)).toEqual([]);
    const woken: string[] = [];
    index.onWake((region) => woken.push(region));
    await index.setLimits(limitsOf("e1", { queues: [{ name: "task/a", limit: 1, paused: false }] }));
    await until("a wake-up", () => woken.includes("main"));
    expect(await index.take("main", 100, NOW)).toHaveLength(30);
  });

  test("an offer wakes the polls here before it is answered, finds them the run, and wakes other processes by a message", async () => {
    const other = await open();
    const heard: string[] = [];
    other.onWake((region) => heard.push(region));
    const takes: Promise<Claim[]>[] = [];
    index.onWake((region) => takes.push(index.take(region, 9, NOW)));
    await index.enqueue(itemsOf(laneOf("e1"), 2));
    expect(takes).toHaveLength(1);
    expect(await takes[0]).toHaveLength(2);
    await until("the message", () => heard.includes("main"));
    // A message of another process arrives after ours: it would have been heard by now.
    await other.enqueue(itemsOf(laneOf("e2"), 1));
    await until("the other's message", () => takes.length > 1);
    expect(takes).toHaveLength(2);
  });

  test("loading limits on a miss does not undo a newer change", async () => {
    await index.setLimits(limitsOf("e1", { max: 1 }));
    limits.set("e1", limitsOf("e1", { max: 50 }));
    await index.enqueue(itemsOf(laneOf("e1"), 5));
    expect(await index.take("main", 9, NOW)).toHaveLength(1);
  });

  test("an environment whose limits nobody can say waits without holding up others", async () => {
    limits.get = (envId) => {
      if (envId === "broken") throw new Error("no answer");
      return limitsOf(envId);
    };
    await index.enqueue([...itemsOf(laneOf("broken"), 3), ...itemsOf(laneOf("fine"), 3)]);
    expect((await index.take("main", 9, NOW)).map((claim) => claim.lane.envId)).toEqual(["fine", "fine", "fine"]);
  });

  test.each([1, 2, 3])("3 processes with 8 takers each never exceed any limit (sweep %i)", async (seed) => {
    const drivers = [index, await open(), await open()];
    limits.set("e1", limitsOf("e1", { max: 7, base: 5, queues: [{ name: "q1", limit: 2, paused: false }] }));
    const lanes = ["q0", "q1", "q2"].flatMap((queue) =>
      [null, "k1", "k2"].map((concurrencyKey) => laneOf("e1", { queue, concurrencyKey }))
    );
    const items = lanes.flatMap((lane) => itemsOf(lane, 12));
    const held = new Map<string, Set<string>>();
    const served: string[] = [];
    let most = 0;
    const enter = (claim: Claim) => {
      for (const key of ["all", claim.lane.laneKey]) held.set(key, (held.get(key) ?? new Set()).add(claim.runId));
      served.push(claim.runId);
      most = Math.max(most, held.get("all")?.size ?? 0);
      const cap = claim.lane.queue === "q1" ? 2 : 5;
      expect(held.get(claim.lane.laneKey)?.size).toBeLessThanOrEqual(cap);
      expect(held.get("all")?.size).toBeLessThanOrEqual(7);
    };
    const taker = async (driver: QueueIndexDriver, nth: number) => {
      while (served.length < items.length) {
        const claims = await driver.take("main", 1 + ((nth + seed) % 4), NOW);
        for (const claim of claims) enter(claim);
        await driver.confirm(claims.map(({ runId, lane, claim }) => ({ runId, lane, claim, seq: 2, deadlineMs: NOW })));
        for (let turn = 0; turn < (nth * seed) % 5; turn++) await new Promise((resolve) => setImmediate(resolve));
        for (const claim of claims) for (const runs of held.values()) runs.delete(claim.runId);
        await driver.release(claims.map(({ runId, lane }) => ({ runId, lane, seq: 3 })));
        if (claims.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
    };
    await Promise.all([
      index.enqueue(items),
      ...drivers.flatMap((driver, d) => Array.from({ length: 8 }, (_, t) => taker(driver, d * 8 + t))),
    ]);
    expect(new Set(served).size).toBe(items.length);
    expect(served).toHaveLength(items.length);
    expect(most).toBe(7);
    expect(await index.counts("e1")).toEqual({ queued: 0, running: 0 });
  });
});

describe("pause", () => {
  test("a paused queue starts nothing, the rest goes on, resuming drains it", async () => {
    limits.set("e1", limitsOf("e1"));
    await index.enqueue([...itemsOf(laneOf("e1", { queue: "a" }), 3), ...itemsOf(laneOf("e1", { queue: "b" }), 3)]);
    await index.setLimits(limitsOf("e1", { queues: [{ name: "a", limit: null, paused: true }] }));
    expect((await index.take("main", 9, NOW)).map((claim) => claim.lane.queue)).toEqual(["b", "b", "b"]);
    await index.enqueue(itemsOf(laneOf("e1", { queue: "a" }), 1, 50));
    expect(await index.take("main", 9, NOW)).toEqual([]);
    await index.setLimits(limitsOf("e1"));
    expect(await index.take("main", 9, NOW)).toHaveLength(4);
  });

  test("a paused environment starts nothing and accepts runs", async () => {
    await index.setLimits(limitsOf("e1", { paused: true }));
    await index.enqueue(itemsOf(laneOf("e1"), 3));
    expect(await index.take("main", 9, NOW)).toEqual([]);
    expect(await index.counts("e1")).toEqual({ queued: 3, running: 0 });
    await index.setLimits(limitsOf("e1"));
    expect(await index.take("main", 9, NOW)).toHaveLength(3);
  });

  test("settling waits for earlier claims of any process, not for running work", async () => {
    const other = await open();
    await index.enqueue(itemsOf(laneOf("e1"), 3));
    const [running, pending] = await other.take("main", 2, NOW);
    if (!running || !pending) throw new Error("two claims expected");
    await confirmed([running], 2);
    await index.setLimits(limitsOf("e1", { paused: true }));
    let isSettled = false;
    const settled = index.settleClaims("e1", null).then(() => {
      isSettled = true;
    });
    await index.counts("e1");
    await index.settleClaims("e1", "another-queue");
    expect(isSettled).toBe(false);
    await other.release([pending]);
    await settled;
  });
});

describe("slots", () => {
  test("a late release of an earlier holder leaves the new one alone", async () => {
    const lane = laneOf("e1");
    limits.set("e1", limitsOf("e1", { max: 1 }));
    await index.enqueue([{ runId: "r", lane, score: NOW }]);
    const [first] = await index.take("main", 1, NOW);
    if (!first) throw new Error("a claim expected");
    await giveBack([first]);
    await index.enqueue([{ runId: "r", lane, score: NOW }]);
    const [second] = await index.take("main", 1, NOW);
    if (!second) throw new Error("a second claim expected");
    expect(second.claim).toBeGreaterThan(first.claim);
    await giveBack([first]);
    await index.release([{ runId: "r", lane, seq: 99 }]);
    expect(await index.counts("e1")).toEqual({ queued: 0, running: 1 });
    await confirmed([second], 7);
    await index.release([{ runId: "r", lane, seq: 6 }]);
    await giveBack([first, second]);
    expect((await index.counts("e1")).running).toBe(1);
    await index.release([{ runId: "r", lane, seq: 8 }]);
    await index.release([{ runId: "r", lane, seq: 8 }]);
    expect((await index.counts("e1")).running).toBe(0);
  });

  test("enqueueing is idempotent: no second entry, first score kept, nothing while a slot is held", async () => {
    const [item] = itemsOf(laneOf("e1"), 1);
    if (!item) throw new Error("an item expected");
    await index.enqueue([item, item]);
    await index.enqueue([{ ...item, score: NOW - 5 }]);
    const claims = await index.take("main", 9, NOW);
    expect(claims).toMatchObject([{ runId: item.runId, score: NOW }]);
    await index.enqueue([item]);
    expect(await index.counts("e1")).toEqual({ queued: 0, running: 1 });
  });

  test("release and enqueue of one tick keep their order", async () => {
    const [item] = itemsOf(laneOf("e1"), 1);
    if (!item) throw new Error("an item expected");
    await index.enqueue([item]);
    const [claim] = await index.take("main", 1, NOW);
    if (!claim) throw new Error("a claim expected");
    await Promise.all([confirmed([claim], 2), finish([claim], 3), index.enqueue([item]), index.remove([item]), index.enqueue([item])]);
    expect(await index.counts("e1")).toEqual({ queued: 1, running: 0 });
  });

  test("removing takes a run out of its lane, blocked or not, and keeps the counts", async () => {
    const lane = laneOf("e1");
    limits.set("e1", limitsOf("e1", { queues: [{ name: "task/a", limit: 1, paused: false }] }));
    const items = itemsOf(lane, 3);
    await index.enqueue(items);
    const held = await index.take("main", 3, NOW);
    expect(held).toHaveLength(1);
    await index.remove(items.slice(1));
    expect(await index.counts("e1")).toEqual({ queued: 0, running: 1 });
    await finish(held);
    expect(await index.take("main", 3, NOW)).toEqual([]);
    await index.enqueue(itemsOf(lane, 1, 10));
    expect(await index.take("main", 3, NOW)).toHaveLength(1);
  });

  test("confirming a slot that is missing adds it and takes the run out of its lane", async () => {
    const [item] = itemsOf(laneOf("e1"), 1);
    if (!item) throw new Error("an item expected");
    await index.enqueue([item]);
    await index.confirm([{ runId: item.runId, lane: item.lane, seq: 2, deadlineMs: NOW }]);
    expect(await index.counts("e1")).toEqual({ queued: 0, running: 1 });
    expect(await index.take("main", 1, NOW)).toEqual([]);
  });

  test("counts per queue", async () => {
    await index.enqueue([...itemsOf(laneOf("e1", { queue: "a|b" }), 3), ...itemsOf(laneOf("e1", { queue: "c", concurrencyKey: "k" }), 2)]);
    await index.take("main", 2, NOW);
    const counts = await index.queueCounts("e1", ["a|b", "c", "none"]);
    expect([...counts.values()].reduce((sum, each) => sum + each.queued + each.running, 0)).toBe(5);
    expect(counts.get("none")).toEqual({ queued: 0, running: 0 });
    expect(await index.counts("e1")).toEqual({ queued: 3, running: 2 });
  });
});

describe("deadlines", () => {
  test("claims are overdue after their lease, confirmed runs after theirs; beats extend, releases end", async () => {
    await index.enqueue(itemsOf(laneOf("e1"), 3));
    const [a, b, c] = await index.take("main", 3, NOW);
    if (!a || !b || !c) throw new Error("three claims expected");
    expect(await index.overdue(NOW + 14_999, 9)).toEqual([]);
    expect(await index.overdue(NOW + 15_000, 9)).toHaveLength(3);
    await confirmed([a, b], 2);
    await index.beat([
      { runId: a.runId, deadlineMs: NOW + 300_000 },
      { runId: "unknown", deadlineMs: NOW },
    ]);
    expect(await index.overdue(NOW + 60_000, 9)).toEqual([c.runId, b.runId]);
    await index.release([{ runId: b.runId, lane: b.lane, seq: 2, keepBeat: true }]);
    await index.forget([c.runId]);
    expect(await index.overdue(NOW + 400_000, 9)).toEqual([b.runId, a.runId]);
    await index.release([{ runId: b.runId, lane: b.lane, seq: 2 }]);
    expect(await index.overdue(NOW + 400_000, 9)).toEqual([a.runId]);
  });
});

describe("keys", () => {
  test("a lane key names its lane", () => {
    const lane = laneOf("e1", { queue: "a|%7C%b", region: "eu|1", concurrencyKey: "k" });
    const { envId, queue, region, laneKey: key } = laneRef(laneKey(lane));
    expect({ envId, queue, region }).toEqual({ envId: "e1", queue: "a|%7C%b", region: "eu|1" });
    expect(key).toBe(laneKey({ envId, queue, region, laneKey: key }));
    expect(() => laneRef("a|b")).toThrow("Not a lane key");
  });
});
