/** Several server processes on the same stores: what one does, the others know. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngineFixture, openSecondEngine, workerOf, type EngineFixture } from "../../test/engineFixture";
import type { RunChange } from "./types";

let f: EngineFixture;
let second: Awaited<ReturnType<typeof openSecondEngine>>;
let here: ReturnType<typeof workerOf>;
let there: ReturnType<typeof workerOf>;
let workerId: string;

beforeAll(async () => {
  f = await createEngineFixture({ dequeueHoldMs: 60_000 });
  second = await openSecondEngine(f, { dequeueHoldMs: 60_000 });
  workerId = await f.register([{ id: "a" }, { id: "one", queue: { concurrencyLimit: 1 } }]);
  here = workerOf(f, workerId);
  there = workerOf(second, workerId);
});
afterAll(async () => {
  await second.close();
  await f.close();
});

const ok = { ok: true, outputType: "application/json" } as const;

describe("several processes", () => {
  it("a poll held by one is answered with a run triggered at another", async () => {
    const held = there.poll();
    const runId = await f.trigger();
    const run = await held;
    expect(run?.runId).toBe(runId);
    await f.engine.cancel({ envId: f.dev.id, runId });
  });

  it("an attempt started at one is beaten, looked at and completed at another, which knows nothing of it", async () => {
    const runId = await f.trigger();
    const run = await here.take();
    expect(await there.heartbeat(run, run.started.snapshotId)).toEqual({ ok: true });
    expect((await there.latest(run)).snapshot.friendlyId).toBe(run.started.snapshotId);
    expect(await there.complete(run, run.started.snapshotId, ok)).toMatchObject({ attemptStatus: "RUN_FINISHED" });
    expect(await here.complete(run, run.started.snapshotId, ok)).toMatchObject({ attemptStatus: "RUN_FINISHED" });
    expect((await f.store.getRun(f.dev.id, runId))?.status).toBe("COMPLETED_SUCCESSFULLY");
  });

  it("changes made at one are heard at another, in order", async () => {
    const changes: RunChange[] = [];
    const stop = second.engine.feed.onEnvironment(f.dev.id, (change) => changes.push(change));
    await expect.poll(async () => (await f.services.redis.pubsub("NUMSUB", `sluice:feed:${f.dev.id}`))[1]).toBe(1);
    const runId = await f.trigger();
    const run = await here.take();
    await here.complete(run, run.started.snapshotId, ok);
    const of = () => changes.filter((change) => change.runId === runId).map((change) => [change.seq, change.state]);
    await expect.poll(() => of().length).toBe(4);
    expect(of()).toEqual([
      [1, "QUEUED"],
      [2, "PENDING_EXECUTING"],
      [3, "EXECUTING"],
      [4, "FINISHED"],
    ]);
    stop();
    await expect.poll(async () => (await f.services.redis.pubsub("NUMSUB", `sluice:feed:${f.dev.id}`))[1]).toBe(0);
  });

  it("registration at one answers polls held at another empty", async () => {
    const before = second.engine.counters().polls;
    const held = there.pollOnce();
    await expect.poll(() => second.engine.counters().polls).toBeGreaterThan(before);
    await f.register([{ id: "a" }, { id: "one", queue: { concurrencyLimit: 1 } }], "rebuilt");
    expect(await held).toBeNull();
  });

  it("47 a queue limit of 1 holds over both while runs complete, fail and are cancelled", async () => {
    const ids = await Promise.all(Array.from({ length: 24 }, () => f.trigger({ task: "one" })));
    const workers = [here, there, here, there];
    const ended = new Set<string>();
    let running = 0;
    let most = 0;
    const gone = new AbortController();
    const loop = async (worker: typeof here) => {
      for (let run = await worker.poll(gone.signal); run; run = await worker.poll(gone.signal)) {
        most = Math.max(most, ++running);
        const started = await worker.start(run);
        running--;
        const turn = ids.indexOf(run.runId) % 3;
        if (turn === 0) await worker.complete(run, started.snapshotId, ok);
        if (turn === 1) await worker.complete(run, started.snapshotId, { ok: false, error: { type: "STRING_ERROR", raw: "no" } });
        if (turn === 2) await f.engine.cancel({ envId: f.dev.id, runId: run.runId, immediate: true });
        ended.add(run.runId);
      }
    };
    const loops = workers.map(loop);
    await expect.poll(() => ended.size, { timeout: 20_000 }).toBe(ids.length);
    gone.abort();
    await Promise.all(loops);
    expect(most).toBe(1);
    await expect.poll(() => f.index.counts(f.dev.id)).toEqual({ queued: 0, running: 0 });
  });

  it("a revoked key ends held polls", async () => {
    const before = second.engine.counters().polls;
    const held = there.pollOnce();
    await expect.poll(() => second.engine.counters().polls).toBeGreaterThan(before);
    await f.environments.rotateKey.call({ envId: f.dev.id, graceMs: 0 });
    expect(await held).toBeNull();
  });
});
