import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { itemsOf, laneOf, limitsOf, NOW, openIndex } from "../../../test/indexFixture";
import { createTestServices, type TestServices } from "../../../test/services";
import type { EnvironmentLimits } from "./queueIndex";
import { FAIRNESS_QUANTUM, type QueueIndexDriver } from "./queueIndex.server";

let services: TestServices;
let index: QueueIndexDriver;
let limits: Map<string, EnvironmentLimits>;
let round = 0;

beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());
beforeEach(async () => {
  limits = new Map();
  index = await openIndex({ redis: services.redis, namespace: `f${round++}`, limits });
});
afterEach(() => index.stop());

/** Takes `count` runs in portions, ends each at once, and reports whose they were. */
async function serve(count: number, portion: number): Promise<string[]> {
  const served: string[] = [];
  while (served.length < count) {
    const claims = await index.take("main", Math.min(portion, count - served.length), NOW);
    if (claims.length === 0) break;
    served.push(...claims.map((claim) => claim.lane.envId));
    await index.release(claims.map(({ runId, lane, claim }) => ({ runId, lane, claim })));
  }
  return served;
}

test.each([1, 3, 7, 10, 25])("two busy environments differ by at most two quanta at every instant (portions of %i)", async (portion) => {
  for (let q = 0; q < 5; q++) await index.enqueue(itemsOf(laneOf("large", { queue: `q${q}` }), 400, -100_000));
  await index.enqueue(itemsOf(laneOf("small"), 300));
  let difference = 0;
  for (const env of await serve(500, portion)) {
    difference += env === "large" ? 1 : -1;
    expect(Math.abs(difference)).toBeLessThanOrEqual(2 * FAIRNESS_QUANTUM);
  }
});

test("ten runs of a small environment pass a hundred thousand older ones of a large one", async () => {
  for (let at = 0; at < 100_000; at += 10_000) await index.enqueue(itemsOf(laneOf("large"), 10_000, at - 200_000));
  await serve(50, 10);
  await index.enqueue(itemsOf(laneOf("small"), 10));
  const served = await serve(2 * FAIRNESS_QUANTUM + 10, 10);
  expect(served.filter((env) => env === "small")).toHaveLength(10);
});

test("an environment that was idle gets no credit for it", async () => {
  limits.set("busy", limitsOf("busy"));
  await index.enqueue(itemsOf(laneOf("busy"), 2_000));
  await serve(500, 10);
  await index.enqueue(itemsOf(laneOf("fresh"), 500));
  const served = await serve(200, 10);
  const fresh = served.filter((env) => env === "fresh").length;
  expect(Math.abs(served.length - 2 * fresh)).toBeLessThanOrEqual(2 * FAIRNESS_QUANTUM);
});

test("leaving and coming back with one run each time buys no second turn", async () => {
  await index.enqueue(itemsOf(laneOf("busy"), 500));
  const served: string[] = [];
  // "a" sorts before "busy", so ties would always be its own.
  for (let i = 0; i < 300; i++) {
    await index.enqueue(itemsOf(laneOf("a"), 1, i));
    served.push(...(await serve(1, 1)));
  }
  const busy = served.filter((env) => env === "busy").length;
  expect(Math.abs(served.length - 2 * busy)).toBeLessThanOrEqual(2 * FAIRNESS_QUANTUM);
});

test("a blocked environment with many lanes costs no steps", async () => {
  limits.set("blocked", limitsOf("blocked", { max: 1 }));
  limits.set("parked", limitsOf("parked", { queues: [{ name: "task/a", limit: 0, paused: false }] }));
  for (const env of ["blocked", "parked"]) {
    const lanes = Array.from({ length: 5_000 }, (_, i) => laneOf(env, { concurrencyKey: `k${i}` }));
    await index.enqueue(lanes.flatMap((lane) => itemsOf(lane, 1)));
  }
  // Drains what is eligible and lets every blocked entry be put aside once.
  expect(await index.take("main", 10, NOW)).toHaveLength(1);
  await index.enqueue(itemsOf(laneOf("fine"), 100));
  const before = index.takeSteps();
  expect(await serve(100, 10)).toHaveLength(100);
  expect(index.takeSteps() - before).toBeLessThanOrEqual(60);
  // New runs of blocked lanes change nothing.
  const more = Array.from({ length: 5_000 }, (_, i) => laneOf("parked", { concurrencyKey: `k${i}` }));
  await index.enqueue(more.flatMap((lane) => itemsOf(lane, 1, 1_000_000)));
  const after = index.takeSteps();
  expect(await index.take("main", 10, NOW)).toEqual([]);
  expect(index.takeSteps() - after).toBeLessThanOrEqual(2);
});

test("whoever asks while an eligible run exists gets one", async () => {
  limits.set("e0", limitsOf("e0", { max: 2, queues: [{ name: "q0", limit: 1, paused: false }] }));
  const random = mulberry(7);
  const queued = new Map<string, number>();
  let next = 0;
  for (let round = 0; round < 300; round++) {
    const envId = `e${Math.floor(random() * 4)}`;
    const queue = `q${Math.floor(random() * 3)}`;
    await index.enqueue(itemsOf(laneOf(envId, { queue }), 1, next++));
    queued.set(envId, (queued.get(envId) ?? 0) + 1);
    const claims = await index.take("main", 1 + Math.floor(random() * 3), NOW);
    expect(claims.length).toBeGreaterThan(0);
    for (const claim of claims) queued.set(claim.lane.envId, (queued.get(claim.lane.envId) ?? 0) - 1);
    await index.release(claims.map(({ runId, lane, claim }) => ({ runId, lane, claim })));
  }
  for (const [envId, count] of queued) expect((await index.counts(envId)).queued).toBe(count);
});

/** A small seeded generator, so that a failure comes again. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
