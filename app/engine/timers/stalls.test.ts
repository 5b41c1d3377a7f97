import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createEngineFixture, workerOf, type EngineFixture } from "../../../test/engineFixture";

let f: EngineFixture;
let worker: ReturnType<typeof workerOf>;
const retry = { maxAttempts: 2, minTimeoutInMs: 1_000, randomize: false };

beforeAll(async () => {
  f = await createEngineFixture({ maxDeliveries: 3 });
});
afterAll(() => f.close());
beforeEach(async () => {
  worker = workerOf(f, await f.register([{ id: "a", retry }], "one"));
});

const ok = { ok: true, outputType: "application/json" } as const;
const detail = (runId: string, envId = f.dev.id) => f.store.getRun(envId, runId);

async function fireTimer(runId: string): Promise<void> {
  const dueAt = (await detail(runId))?.dueAt?.getTime() ?? f.clock.now();
  f.clock.advance(Math.max(dueAt - f.clock.now() + 1, 0));
  await f.engine.loops.timers.runOnce();
}

describe("stalls", () => {
  it("31 a run that was handed out and never started is queued again, with the slot count exact", async () => {
    const runId = await f.trigger();
    await worker.poll();
    await f.engine.onOverdue([runId]);
    expect(await detail(runId)).toMatchObject({ state: "PENDING_EXECUTING" });
    f.clock.advance(60_001);
    await f.engine.onOverdue([runId]);
    expect(await detail(runId)).toMatchObject({ state: "RETRY_WAIT", status: "PENDING" });
    expect((await f.index.counts(f.dev.id)).running).toBe(0);
    await fireTimer(runId);
    const again = await worker.take();
    expect(again).toMatchObject({ runId, attemptNumber: 1 });
    expect((await f.index.counts(f.dev.id)).running).toBe(1);
    await worker.complete(again, again.started.snapshotId, ok);
  });

  it("32 too many such rounds end as SYSTEM_FAILURE", async () => {
    const runId = await f.trigger();
    for (let round = 1; round <= 3; round++) {
      expect((await worker.poll())?.runId).toBe(runId);
      f.clock.advance(60_001);
      await f.engine.onOverdue([runId]);
      if (round < 3) await fireTimer(runId);
    }
    const run = await detail(runId);
    expect(run).toMatchObject({ status: "SYSTEM_FAILURE" });
    expect(JSON.parse(run?.result?.error ?? "")).toMatchObject({ code: "TASK_RUN_DEQUEUED_MAX_RETRIES" });
  });

  it("33 an attempt without heartbeats: CANCELED in dev, where the session is gone", async () => {
    const runId = await f.trigger();
    await worker.take();
    f.clock.advance(300_001);
    await f.engine.onOverdue([runId]);
    expect(await detail(runId)).toMatchObject({ status: "CANCELED" });
    await expect.poll(async () => (await f.index.counts(f.dev.id)).running).toBe(0);
  });

  it("36 the old worker wakes after the verdict: its completion and heartbeat change nothing", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    f.clock.advance(300_001);
    await f.engine.onOverdue([runId]);
    const late = await worker.complete(run, run.started.snapshotId, ok);
    expect(late).toMatchObject({ attemptStatus: "RUN_FINISHED", run: { status: "CANCELED" } });
    expect(await worker.heartbeat(run, run.started.snapshotId)).toEqual({ ok: true });
    expect(await detail(runId)).toMatchObject({ status: "CANCELED", result: { output: null } });
  });

  it("34 and 35 a heartbeat of the running attempt moves the deadline, one of an earlier attempt does not", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    const error = { type: "STRING_ERROR", raw: "boom" } as const;
    const failed = await worker.complete(run, run.started.snapshotId, { ok: false, error, retry: { timestamp: f.clock.now(), delay: 1 } });
    const second = await worker.start({ friendlyId: run.friendlyId, snapshotId: failed.snapshotId });
    const isOverdue = async (afterMs: number) => (await f.index.overdue(f.clock.now() + afterMs, 100)).includes(runId);
    await expect.poll(() => isOverdue(300_500)).toBe(true);
    f.clock.advance(100_000);
    await worker.heartbeat(run, run.started.snapshotId);
    await f.engine.stop();
    await f.engine.start();
    expect(await isOverdue(290_000)).toBe(true);
    await worker.heartbeat(run, second.snapshotId);
    await expect.poll(() => isOverdue(290_000)).toBe(false);
    await worker.complete(run, second.snapshotId, ok);
  });

  it("38 a cancel that its worker never answers is final after a minute", async () => {
    const runId = await f.trigger();
    await worker.take();
    expect(await f.engine.cancel({ envId: f.dev.id, runId })).toMatchObject({ kind: "pending" });
    await f.engine.loops.timers.runOnce();
    expect(await detail(runId)).toMatchObject({ state: "PENDING_CANCEL", status: "CANCELED" });
    f.clock.advance(60_001);
    await f.engine.loops.timers.runOnce();
    expect(await detail(runId)).toMatchObject({ state: "FINISHED", status: "CANCELED" });
  });
});
