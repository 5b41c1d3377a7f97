import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createEngineFixture, workerOf, type EngineFixture } from "../../../test/engineFixture";
import { mintId } from "../../utils/ids";
import type { RunChange } from "../types";

let f: EngineFixture;
let worker: ReturnType<typeof workerOf>;

beforeAll(async () => {
  f = await createEngineFixture();
});
afterAll(() => f.close());
beforeEach(async () => {
  worker = workerOf(f, await f.register([{ id: "a" }], "one"));
});

const ok = { ok: true, output: '"late"', outputType: "application/json" } as const;
const canceled = { ok: false, error: { type: "INTERNAL_ERROR", code: "TASK_RUN_CANCELLED" } } as const;
const cancel = (runId: string, immediate = false) => f.engine.cancel({ envId: f.dev.id, runId, reason: "enough", immediate });
const detail = (runId: string) => f.store.getRun(f.dev.id, runId);

describe("89 cancel in each state", () => {
  it("QUEUED ends at once and is never offered", async () => {
    const runId = await f.trigger();
    expect(await cancel(runId)).toEqual({ kind: "canceled", status: "CANCELED" });
    await expect.poll(() => f.index.counts(f.dev.id)).toEqual({ queued: 0, running: 0 });
    expect(JSON.parse((await detail(runId))?.result?.error ?? "")).toEqual({ type: "STRING_ERROR", raw: "enough" });
  });

  it("72 DELAYED ends at once and is never queued", async () => {
    const runId = await f.trigger({ initial: { state: "DELAYED", status: "DELAYED" }, dueAt: new Date(f.clock.now() + 60_000) });
    expect(await cancel(runId)).toMatchObject({ kind: "canceled" });
    f.clock.advance(61_000);
    await f.engine.loops.timers.runOnce();
    expect(await detail(runId)).toMatchObject({ state: "FINISHED", status: "CANCELED" });
  });

  it("RUN_CREATED ends at once", async () => {
    const runId = await f.trigger({ task: "unknown", initial: { state: "RUN_CREATED", status: "PENDING_VERSION" } });
    expect(await cancel(runId)).toMatchObject({ kind: "canceled" });
    expect(await detail(runId)).toMatchObject({ status: "CANCELED" });
  });

  it("A17 PENDING_EXECUTING in dev ends at once, and its late start is refused", async () => {
    const runId = await f.trigger();
    const run = await worker.poll();
    if (!run) throw new Error("nothing dequeued");
    expect(await cancel(runId)).toMatchObject({ kind: "canceled" });
    await expect(worker.start(run)).rejects.toMatchObject({ status: 409 });
    await expect.poll(async () => (await f.index.counts(f.dev.id)).running).toBe(0);
  });

  it("90 EXECUTING is CANCELED for readers at once, its worker is told, and what it still returns is ignored", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    const changes: RunChange[] = [];
    const stop = f.engine.feed.onRun(f.dev.id, runId, (change) => changes.push(change));
    await expect.poll(async () => (await f.services.redis.pubsub("NUMSUB", `sluice:feed:${f.dev.id}`))[1]).toBe(1);
    expect(await cancel(runId)).toEqual({ kind: "pending", status: "CANCELED" });
    expect(await detail(runId)).toMatchObject({ state: "PENDING_CANCEL", status: "CANCELED" });
    // Changes from before the subscription may still arrive: Redis delivers them when it gets to it.
    await expect.poll(() => changes.filter((change) => change.state === "PENDING_CANCEL")).toMatchObject([{ notify: true }]);
    stop();
    const latest = await worker.latest(run);
    expect(latest).toMatchObject({ snapshot: { executionStatus: "PENDING_CANCEL" }, run: { attemptNumber: 1 } });
    expect(await cancel(runId)).toMatchObject({ kind: "already-final" });
    const answer = await worker.complete(run, run.started.snapshotId, ok);
    expect(answer).toMatchObject({ attemptStatus: "RUN_FINISHED", run: { status: "CANCELED" } });
    expect(await detail(runId)).toMatchObject({ state: "FINISHED", status: "CANCELED", result: { output: null } });
  });

  it("PENDING_CANCEL ends when the worker completes on that snapshot, as the CLI does", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    await cancel(runId);
    const { snapshot } = await worker.latest(run);
    const answer = await worker.complete(run, snapshot.friendlyId, canceled);
    expect(answer).toMatchObject({ attemptStatus: "RUN_FINISHED", run: { status: "CANCELED" } });
    expect(await worker.complete(run, snapshot.friendlyId, canceled)).toEqual(answer);
  });

  it("between two attempts: the sleeping worker completes on the newest snapshot", async () => {
    const runId = await f.trigger({ options: { maxAttempts: 3 } });
    const run = await worker.take();
    const error = { type: "STRING_ERROR", raw: "boom" } as const;
    const failed = await worker.complete(run, run.started.snapshotId, {
      ok: false,
      error,
      retry: { timestamp: f.clock.now(), delay: 9_000 },
    });
    expect(failed.attemptStatus).toBe("RETRY_IMMEDIATELY");
    await cancel(runId);
    const { snapshot } = await worker.latest(run);
    expect(await worker.complete(run, snapshot.friendlyId, canceled)).toMatchObject({ attemptStatus: "RUN_FINISHED" });
    expect(await detail(runId)).toMatchObject({ status: "CANCELED" });
  });

  it("RETRY_WAIT ends at once", async () => {
    const runId = await f.trigger({ options: { maxAttempts: 3 } });
    const run = await worker.take();
    const error = { type: "STRING_ERROR", raw: "boom" } as const;
    const later = { timestamp: f.clock.now() + 60_000, delay: 60_000 };
    expect(await worker.complete(run, run.started.snapshotId, { ok: false, error, retry: later })).toMatchObject({
      attemptStatus: "RETRY_QUEUED",
    });
    expect(await cancel(runId)).toMatchObject({ kind: "canceled" });
    expect(await detail(runId)).toMatchObject({ status: "CANCELED" });
  });

  it("93 a final run stays as it is; an unknown one and another environment's are not found", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    await worker.complete(run, run.started.snapshotId, ok);
    expect(await cancel(runId)).toEqual({ kind: "already-final", status: "COMPLETED_SUCCESSFULLY" });
    expect(await cancel(mintId(1))).toEqual({ kind: "not-found" });
    const other = await f.trigger({ env: f.prod });
    expect(await cancel(other)).toEqual({ kind: "not-found" });
  });
});

describe("cancel and others", () => {
  it("91 cancel and complete race: exactly one outcome", async () => {
    for (let round = 0; round < 10; round++) {
      const runId = await f.trigger();
      const run = await worker.take();
      const [answer, cancelled] = await Promise.all([worker.complete(run, run.started.snapshotId, ok), cancel(runId)]);
      const final = await detail(runId);
      expect(final?.state).toBe("FINISHED");
      expect(answer.run.status).toBe(final?.status);
      if (cancelled.kind === "pending") expect(final?.status).toBe("CANCELED");
    }
  });

  it("92 children and grandchildren are cancelled, siblings of the parent are not", async () => {
    const parent = await f.trigger();
    const child = await f.trigger({ parentId: parent, rootId: parent, depth: 1 });
    const grandchild = await f.trigger({ parentId: child, rootId: parent, depth: 2 });
    const sibling = await f.trigger();
    await cancel(parent);
    await expect.poll(async () => (await detail(grandchild))?.status).toBe("CANCELED");
    expect(await detail(child)).toMatchObject({ status: "CANCELED" });
    expect(await detail(sibling)).toMatchObject({ status: "PENDING" });
    await expect.poll(() => f.store.pendingCascades(10)).toEqual([]);
    await cancel(sibling);
  });

  it("D11 a cascade that its process did not finish is finished by the loop of any process", async () => {
    const parent = await f.trigger();
    const child = await f.trigger({ parentId: parent, rootId: parent, depth: 1 });
    const live = (await f.store.getLive([parent])).get(parent);
    const ending = { output: null, outputType: "application/json", error: null, usageMs: 0, costInCents: 0, freeIdempotencyKey: false };
    const epoch = f.index.epoch() ?? 0;
    await f.store.finish({ runId: parent, epoch, guard: { seq: live?.seq ?? 0 }, status: "CANCELED", ...ending });
    await f.engine.loops.cascade.runOnce();
    expect(await detail(child)).toMatchObject({ status: "CANCELED" });
    expect(await f.store.pendingCascades(10)).toEqual([]);
  });

  it("94 a disconnect ends the session's runs at once, at most 500 a call", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    const finished = await f.trigger();
    await cancel(finished);
    const answer = await f.worker.disconnect(f.dev, [run.friendlyId, run.friendlyId, `run_${finished}`, "nonsense", `run_${mintId(1)}`]);
    expect(answer).toEqual({ cancelled: 1 });
    expect(await detail(runId)).toMatchObject({ state: "FINISHED", status: "CANCELED" });
    const ids = (count: number) => Array.from({ length: count }, (_, i) => `run_${mintId(i + 1)}`);
    expect(await f.worker.disconnect(f.dev, ids(500))).toEqual({ cancelled: 0 });
    await expect(f.worker.disconnect(f.dev, ids(501))).rejects.toMatchObject({ status: 400 });
  });

  it("95 a worker that cancels by itself ends the run CANCELED", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    expect(await worker.complete(run, run.started.snapshotId, canceled)).toMatchObject({ attemptStatus: "RUN_FINISHED" });
    expect(await detail(runId)).toMatchObject({ status: "CANCELED" });
  });
});
