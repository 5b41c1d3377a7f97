import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngineFixture, workerOf, type EngineFixture } from "../../../test/engineFixture";

let f: EngineFixture;
let workerId: string;
let worker: ReturnType<typeof workerOf>;

beforeAll(async () => {
  f = await createEngineFixture({ dequeueHoldMs: 20_000 });
  workerId = await f.register([{ id: "a", queue: { concurrencyLimit: 2 } }, { id: "b" }]);
  worker = workerOf(f, workerId);
});
afterAll(() => f.close());

const ok = { ok: true, outputType: "application/json" } as const;

describe("held polls", () => {
  it("61 a run is handed to a poll that was held before it came", async () => {
    const held = worker.poll();
    const runId = await f.trigger({ task: "b" });
    expect((await held)?.runId).toBe(runId);
    await f.engine.cancel({ envId: f.dev.id, runId });
  });

  it("a poll whose connection closes gets nothing, and the run goes to the next", async () => {
    const gone = new AbortController();
    const held = worker.poll(gone.signal);
    gone.abort();
    expect(await held).toBeNull();
    const runId = await f.trigger({ task: "b" });
    expect((await worker.poll())?.runId).toBe(runId);
    await f.engine.cancel({ envId: f.dev.id, runId });
  });

  it("a connection that closes while its run is being committed loses nothing", async () => {
    for (let round = 0; round < 10; round++) {
      const gone = new AbortController();
      const held = worker.poll(gone.signal);
      const triggered = f.trigger({ task: "b" });
      setImmediate(() => gone.abort());
      const [first, runId] = await Promise.all([held, triggered]);
      const got = first ?? (await worker.poll());
      expect(got?.runId).toBe(runId);
      await f.engine.cancel({ envId: f.dev.id, runId });
    }
  });

  it("many polls and many runs: every run once, the queue's limit never exceeded", async () => {
    const ids = await Promise.all(Array.from({ length: 40 }, () => f.trigger({ task: "a" })));
    const seen: string[] = [];
    let running = 0;
    let most = 0;
    const loop = async () => {
      while (seen.length < ids.length) {
        const run = await Promise.race([worker.poll(), new Promise<null>((resolve) => setTimeout(() => resolve(null), 3_000))]);
        if (!run) return;
        seen.push(run.runId);
        most = Math.max(most, ++running);
        const started = await worker.start(run);
        running--;
        await worker.complete(run, started.snapshotId, ok);
      }
    };
    const loops = Array.from({ length: 8 }, () => loop());
    await expect.poll(() => seen.length, { timeout: 20_000 }).toBe(ids.length);
    expect(new Set(seen).size).toBe(ids.length);
    expect(most).toBeLessThanOrEqual(2);
    await expect.poll(() => f.index.counts(f.dev.id)).toEqual({ queued: 0, running: 0 });
    await f.engine.drain();
    await Promise.all(loops);
    await f.engine.start();
  });

  it("78 nothing new starts after a pause was answered; resume drains", async () => {
    await f.environments.updateQueue({ envId: f.dev.id, name: "task/b", change: { kind: "pause" } });
    await f.engine.limitsChanged(f.dev.id);
    expect(await f.engine.pauseState(f.dev.id)).toEqual({ environment: false, queues: ["task/b"] });
    const runId = await f.trigger({ task: "b" });
    const held = worker.poll();
    expect((await f.store.getRun(f.dev.id, runId))?.state).toBe("QUEUED");
    await f.environments.updateQueue({ envId: f.dev.id, name: "task/b", change: { kind: "resume" } });
    await f.engine.limitsChanged(f.dev.id);
    expect((await held)?.runId).toBe(runId);
    await f.engine.cancel({ envId: f.dev.id, runId });
  });

  it("a deployed environment is not polled by dev workers", async () => {
    const call = f.worker.dequeue(f.prod, { currentWorker: workerId }, new AbortController().signal);
    await expect(call).rejects.toMatchObject({ status: 400 });
  });
});
