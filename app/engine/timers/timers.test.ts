import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createEngineFixture, workerOf, type EngineFixture } from "../../../test/engineFixture";

let f: EngineFixture;
let worker: ReturnType<typeof workerOf>;

beforeAll(async () => {
  f = await createEngineFixture({ dequeueHoldMs: 300 });
});
afterAll(() => f.close());
beforeEach(async () => {
  worker = workerOf(f, await f.register([{ id: "a" }], "one"));
});

const ok = { ok: true, outputType: "application/json" } as const;
const detail = (runId: string) => f.store.getRun(f.dev.id, runId);
const inMs = (ms: number) => new Date(f.clock.now() + ms);
const delayed = { state: "DELAYED", status: "DELAYED" } as const;
async function pass(advanceMs: number): Promise<void> {
  f.clock.advance(advanceMs);
  await f.engine.loops.timers.runOnce();
}

describe("TTL and delay", () => {
  it("64 a run that nobody takes before its TTL is EXPIRED, and says why", async () => {
    const runId = await f.trigger({ options: { ttlSeconds: 60, ttl: "1m" }, dueAt: inMs(60_000) });
    await pass(59_000);
    expect(await detail(runId)).toMatchObject({ status: "PENDING" });
    await pass(1_001);
    const run = await detail(runId);
    expect(run).toMatchObject({ status: "EXPIRED" });
    expect(run?.result?.error).toContain("1m");
    expect(await worker.poll()).toBeNull();
  });

  it("65 dequeue and expiry race: exactly one wins", async () => {
    for (let round = 0; round < 5; round++) {
      const runId = await f.trigger({ options: { ttlSeconds: 1 }, dueAt: inMs(1_000) });
      f.clock.advance(1_001);
      const [run] = await Promise.all([worker.poll(), f.engine.loops.timers.runOnce()]);
      const status = (await detail(runId))?.status;
      expect(status).toBe(run ? "DEQUEUED" : "EXPIRED");
      await f.engine.cancel({ envId: f.dev.id, runId });
    }
  });

  it("66 TTL does not fire after the first start: a queued retry outlives it", async () => {
    const runId = await f.trigger({ options: { ttlSeconds: 10, maxAttempts: 2 }, dueAt: inMs(10_000) });
    const run = await worker.take();
    const retry = { timestamp: f.clock.now() + 30_000, delay: 30_000 };
    await worker.complete(run, run.started.snapshotId, { ok: false, error: { type: "STRING_ERROR", raw: "x" }, retry });
    await pass(30_001);
    expect(await detail(runId)).toMatchObject({ state: "QUEUED" });
    await pass(60_000);
    expect(await detail(runId)).toMatchObject({ state: "QUEUED" });
    const second = await worker.take();
    await worker.complete(second, second.started.snapshotId, ok);
  });

  it("67 with a delay the TTL counts from the moment it is over", async () => {
    const runId = await f.trigger({ options: { ttlSeconds: 60 }, initial: delayed, dueAt: inMs(120_000) });
    await pass(120_001);
    expect(await detail(runId)).toMatchObject({ state: "QUEUED", status: "PENDING" });
    await pass(59_000);
    expect(await detail(runId)).toMatchObject({ state: "QUEUED" });
    await pass(1_001);
    expect(await detail(runId)).toMatchObject({ status: "EXPIRED" });
  });

  it("70 reschedule moves a delayed run, and refuses any other", async () => {
    const runId = await f.trigger({ initial: delayed, dueAt: inMs(60_000) });
    const move = (startAt: Date) => f.engine.reschedule({ envId: f.dev.id, runId, startAt });
    expect(await move(inMs(600_000))).toEqual({ kind: "rescheduled" });
    await pass(60_001);
    expect(await detail(runId)).toMatchObject({ state: "DELAYED" });
    await pass(600_000);
    expect(await detail(runId)).toMatchObject({ state: "QUEUED" });
    expect(await move(inMs(1))).toEqual({ kind: "not-delayed", status: "PENDING" });
    expect(await f.engine.reschedule({ envId: f.prod.id, runId, startAt: inMs(1) })).toEqual({ kind: "not-found" });
    const run = await worker.take();
    await worker.complete(run, run.started.snapshotId, ok);
  });

  it("71 a delay that is over fires once, whoever fires it", async () => {
    const runId = await f.trigger({ initial: delayed, dueAt: inMs(1_000) });
    f.clock.advance(1_001);
    await Promise.all([f.engine.loops.timers.runOnce(), f.engine.loops.timers.runOnce(), f.engine.loops.timers.runOnce()]);
    expect(await detail(runId)).toMatchObject({ state: "QUEUED", seq: 2 });
    const [first, second] = await Promise.all([worker.poll(), worker.poll()]);
    expect([first, second].filter(Boolean)).toHaveLength(1);
    await f.engine.cancel({ envId: f.dev.id, runId });
  });

  it("a timer set by this process wakes the loop by itself", async () => {
    const runId = await f.trigger({ initial: delayed, dueAt: inMs(50) });
    await expect.poll(async () => (await detail(runId))?.state).toBe("QUEUED");
    await f.engine.cancel({ envId: f.dev.id, runId });
  });

  it("fires more timers of one instant than fit a page", async () => {
    const dueAt = inMs(5_000);
    const ids = await Promise.all(Array.from({ length: 1_200 }, () => f.trigger({ initial: delayed, dueAt })));
    await pass(5_001);
    await expect.poll(async () => (await f.index.counts(f.dev.id)).queued).toBe(ids.length);
  });
});
