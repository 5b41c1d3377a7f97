import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngineFixture, workerBody, workerOf, type EngineFixture } from "../../../test/engineFixture";

let f: EngineFixture;

beforeAll(async () => {
  f = await createEngineFixture({ dequeueHoldMs: 400 });
});
afterAll(() => f.close());

const ok = { ok: true, outputType: "application/json" } as const;
const detail = (runId: string) => f.store.getRun(f.dev.id, runId);

/** A poll that is held in vain, and what has become of a run by then. */
async function pollInVain(worker: ReturnType<typeof workerOf>, runId: string): Promise<string | undefined> {
  expect(await worker.pollOnce()).toBeNull();
  return (await detail(runId))?.status;
}

describe("versions", () => {
  it("81 and 82 a run whose task the version lacks waits, and is queued oldest first when one has it, with its TTL armed", async () => {
    const first = workerOf(f, await f.register([{ id: "a" }]));
    const older = await f.trigger({ task: "later", options: { ttlSeconds: 600 } });
    const newer = await f.trigger({ task: "later" });
    await expect.poll(() => pollInVain(first, newer)).toBe("PENDING_VERSION");
    const waiting = await detail(older);
    expect(waiting).toMatchObject({ state: "RUN_CREATED", status: "PENDING_VERSION" });
    expect(waiting?.reason).toContain('"later"');
    await expect.poll(() => f.index.counts(f.dev.id)).toEqual({ queued: 0, running: 0 });
    const second = workerOf(f, await f.register([{ id: "a" }, { id: "later" }]));
    expect(await detail(older)).toMatchObject({ state: "QUEUED", status: "PENDING", reason: null });
    expect((await detail(older))?.dueAt).not.toBeNull();
    const run = await second.take();
    expect(run.runId).toBe(older);
    await second.complete(run, run.started.snapshotId, ok);
    const next = await second.take();
    expect(next.runId).toBe(newer);
    await second.complete(next, next.started.snapshotId, ok);
  });

  it("releases more waiting runs than one page holds", async () => {
    await f.register([{ id: "a" }]);
    const parked = { state: "RUN_CREATED", status: "PENDING_VERSION" } as const;
    const ids = await Promise.all(Array.from({ length: 450 }, () => f.trigger({ task: "many", initial: parked })));
    expect(await f.engine.promotePendingVersions(f.dev.id)).toBe(0);
    await f.register([{ id: "a" }, { id: "many" }]);
    await expect.poll(async () => (await f.index.counts(f.dev.id)).queued).toBe(ids.length);
    await Promise.all(ids.map((runId) => f.engine.cancel({ envId: f.dev.id, runId })));
  });

  it("86 the deadline of a version that never comes ends the run EXPIRED, with the reason", async () => {
    const initial = { state: "RUN_CREATED", status: "PENDING_VERSION" } as const;
    const runId = await f.trigger({ task: "never", initial, dueAt: new Date(f.clock.now() + 3_600_000) });
    f.clock.advance(3_600_001);
    await f.engine.loops.timers.runOnce();
    const run = await detail(runId);
    expect(run).toMatchObject({ status: "EXPIRED" });
    expect(run?.result?.error).toContain("EXTERNAL_DEPLOYMENT_NOT_FOUND");
  });

  it("A15 registration answers held polls empty, and a poll gets runs for its own worker only", async () => {
    const oldId = await f.register([{ id: "a" }]);
    const held = workerOf(f, oldId).pollOnce();
    await expect.poll(async () => (await f.index.counts(f.dev.id)).queued).toBe(0);
    const newId = await f.register([{ id: "a" }, { id: "b" }]);
    expect(await held).toBeNull();
    const runId = await f.trigger({ task: "a" });
    const run = await workerOf(f, oldId).poll();
    expect(run).toMatchObject({ runId, message: { backgroundWorker: { friendlyId: oldId } } });
    // Handed out and lost: the next hand-over locks it to the worker that polls.
    f.clock.advance(60_001);
    await f.engine.onOverdue([runId]);
    f.clock.advance(15_000);
    await f.engine.loops.timers.runOnce();
    const again = await workerOf(f, newId).take();
    expect(again).toMatchObject({ runId, message: { backgroundWorker: { friendlyId: newId } } });
    await workerOf(f, newId).complete(again, again.started.snapshotId, ok);
  });

  it("A15 a run for a task that only the newer worker has is not parked by an older poll", async () => {
    const oldId = await f.register([{ id: "a" }]);
    const newId = await f.register([{ id: "a" }, { id: "b" }]);
    const runId = await f.trigger({ task: "b" });
    expect(await workerOf(f, oldId).pollOnce()).toBeNull();
    const run = await workerOf(f, newId).take();
    expect(run.runId).toBe(runId);
    await workerOf(f, newId).complete(run, run.started.snapshotId, ok);
  });

  it("the same content answers the same worker; a worker of nobody is refused", async () => {
    const first = await f.register([{ id: "a" }], "same");
    expect(await f.register([{ id: "a" }], "same")).toBe(first);
    await expect(workerOf(f, "worker_nonsense").poll()).rejects.toMatchObject({ status: 404 });
  });

  it("refuses another project's ref, and a manifest without tasks", async () => {
    await expect(f.worker.register(f.dev, "proj_other", workerBody([], "x"))).rejects.toMatchObject({
      status: 404,
      message: "Project not found",
    });
    for (const body of [undefined, {}, { localOnly: true, metadata: { contentHash: "x" } }]) {
      await expect(f.worker.register(f.dev, f.dev.project.ref, body)).rejects.toMatchObject({ status: 400 });
    }
  });

  it("D1 a task with limits that are not enforced is warned about, in a shape that the client accepts", async () => {
    const { CreateBackgroundWorkerResponse } = await import("@trigger.dev/core/v3/schemas");
    const body = workerBody([{ id: "limited", concurrency: { limits: ["api"] } }], "limits");
    const answer = await f.worker.register(f.dev, f.dev.project.ref, body);
    const parsed = CreateBackgroundWorkerResponse.parse(answer);
    expect(parsed.warnings?.[0]?.message).toContain('"limited"');
  });
});
