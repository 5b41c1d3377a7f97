/** The whole way of a silent worker: deadline in the index, scan, verdict, queue again; with timeouts short enough to wait for. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngineFixture, workerOf, type EngineFixture } from "../../../test/engineFixture";
import { MAX_ATTEMPTS } from "../attempts/attemptOutcome";

let f: EngineFixture;
let worker: ReturnType<typeof workerOf>;

beforeAll(async () => {
  f = await createEngineFixture({ startTimeoutMs: 500, heartbeatTimeoutMs: 700, dequeueHoldMs: 15_000 });
  worker = workerOf(f, await f.register([{ id: "a" }]));
});
afterAll(() => f.close());

const ok = { ok: true, outputType: "application/json" } as const;
const status = async (runId: string) => (await f.store.getRun(f.dev.id, runId))?.status;

describe("silent workers are noticed", () => {
  it("31 never started: offered again without anybody asking", async () => {
    const runId = await f.trigger();
    expect((await worker.poll())?.runId).toBe(runId);
    const again = await worker.take();
    expect(again).toMatchObject({ runId, attemptNumber: 1 });
    await worker.complete(again, again.started.snapshotId, ok);
    expect(f.engine.counters().not_started).toBe(1);
  });

  it("33 and 35 heartbeats keep an attempt alive; without them it ends", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    const beats = setInterval(() => void worker.heartbeat(run, run.started.snapshotId), 150);
    const other = await f.trigger();
    await worker.take();
    await expect.poll(() => status(other), { timeout: 15_000 }).toBe("CANCELED");
    expect(await status(runId)).toBe("EXECUTING");
    clearInterval(beats);
    await expect.poll(() => status(runId), { timeout: 15_000 }).toBe("CANCELED");
    await expect.poll(() => f.index.counts(f.dev.id)).toEqual({ queued: 0, running: 0 });
  });

  it("10 the attempt after the last allowed one ends the run", async () => {
    const runId = await f.trigger();
    const run = await worker.poll();
    if (!run) throw new Error("nothing dequeued");
    await f.services.pool.query("UPDATE run_ops.run_live SET attempt = $2 WHERE id = $1", [runId, MAX_ATTEMPTS]);
    await expect(worker.start(run)).rejects.toMatchObject({ status: 409 });
    const detail = await f.store.getRun(f.dev.id, runId);
    expect(detail).toMatchObject({ status: "SYSTEM_FAILURE" });
    expect(detail?.result?.error).toContain("TASK_RUN_MAX_ATTEMPTS");
  });
});
