import { DequeuedMessage, StartRunAttemptResult } from "@trigger.dev/core/v3/schemas";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createEngineFixture, workerOf, type EngineFixture } from "../../test/engineFixture";
import { snapshotId } from "../utils/ids";

let f: EngineFixture;
let workerId: string;
let worker: ReturnType<typeof workerOf>;

beforeAll(async () => {
  f = await createEngineFixture();
});
afterAll(() => f.close());
beforeEach(async () => {
  workerId = await f.register([{ id: "a" }], "one");
  worker = workerOf(f, workerId);
});

const ok = { ok: true, output: '{"json":42}', outputType: "application/super+json", usage: { durationMs: 40 } } as const;

describe("lifecycle", () => {
  it("1 a trigger is QUEUED at seq 1 and offered once", async () => {
    const runId = await f.trigger();
    expect(await f.store.getRun(f.dev.id, runId)).toMatchObject({ state: "QUEUED", status: "PENDING", seq: 1 });
    const [first, second] = await Promise.all([worker.poll(), worker.poll()]);
    expect([first?.runId, second?.runId].sort()).toEqual([runId, undefined].sort());
    await f.engine.cancel({ envId: f.dev.id, runId });
  });

  it("2 dequeue: PENDING_EXECUTING and DEQUEUED, in the shape that the client parses", async () => {
    const runId = await f.trigger();
    const run = await worker.poll();
    expect(DequeuedMessage.safeParse(run?.message).error).toBeUndefined();
    expect(run).toMatchObject({ runId, attemptNumber: 1 });
    expect(run?.message.snapshot.executionStatus).toBe("PENDING_EXECUTING");
    const detail = await f.store.getRun(f.dev.id, runId);
    expect(detail).toMatchObject({ state: "PENDING_EXECUTING", status: "DEQUEUED" });
    expect(detail?.startedAt).toBeInstanceOf(Date);
    await f.engine.cancel({ envId: f.dev.id, runId });
  });

  it("3 start: EXECUTING, attempt 1, with payload and variables", async () => {
    const runId = await f.trigger({ metadata: '{"a":1}' });
    const { started } = await worker.take();
    expect(StartRunAttemptResult.safeParse(started).error).toBeUndefined();
    expect(started.execution.run).toMatchObject({ id: `run_${runId}`, payload: '{"json":{"n":1}}', metadata: { a: 1 }, tags: ["red"] });
    expect(started.execution.attempt.number).toBe(1);
    expect(started.run.attemptNumber).toBe(1);
    expect(started.execution.run).not.toHaveProperty("rootTaskRunId");
    expect(started.execution.run.traceContext).toMatchObject({ traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" });
    expect(started.envVars).toMatchObject({
      TRIGGER_OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:3030/otel/token-of-dev",
      TRIGGER_OTEL_BATCH_PROCESSING_ENABLED: "1",
    });
    await f.engine.cancel({ envId: f.dev.id, runId, immediate: true });
  });

  it("3 a run without a payload starts with an empty one", async () => {
    const runId = await f.trigger({ payload: null, payloadType: "application/json" });
    const { started } = await worker.take();
    expect(started.execution.run.payload).toBe("");
    await f.engine.cancel({ envId: f.dev.id, runId, immediate: true });
  });

  it("4 a start that quotes a stale snapshot is refused for good and changes nothing", async () => {
    const runId = await f.trigger();
    const run = await worker.poll();
    const stale = { friendlyId: `run_${runId}`, snapshotId: snapshotId(runId, 1) };
    await expect(worker.start(stale)).rejects.toMatchObject({ status: 409, headers: { "x-should-retry": "false" } });
    expect(await f.store.getRun(f.dev.id, runId)).toMatchObject({ state: "PENDING_EXECUTING", attempt: 0 });
    await f.engine.cancel({ envId: f.dev.id, runId: run?.runId ?? "" });
  });

  it("5 and 6 a repeated start gets the same answer, another request is refused", async () => {
    const runId = await f.trigger();
    const run = await worker.poll();
    if (!run) throw new Error("nothing dequeued");
    const first = await worker.start(run, "request-1");
    const again = await worker.start(run, "request-1");
    expect(again.snapshotId).toBe(first.snapshotId);
    expect(again.execution.attempt.number).toBe(1);
    await expect(worker.start(run, "request-2")).rejects.toMatchObject({ status: 409 });
    await f.engine.cancel({ envId: f.dev.id, runId, immediate: true });
  });

  it("7 and 8 complete stores the output, frees the slot once, and a repeat gets the same answer", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    const first = await worker.complete(run, run.started.snapshotId, ok);
    expect(first).toMatchObject({ attemptStatus: "RUN_FINISHED", run: { status: "COMPLETED_SUCCESSFULLY", attemptNumber: 1 } });
    const again = await worker.complete(run, run.started.snapshotId, ok);
    expect(again).toEqual(first);
    const detail = await f.store.getRun(f.dev.id, runId);
    expect(detail).toMatchObject({ status: "COMPLETED_SUCCESSFULLY", result: { output: '{"json":42}', usageMs: 40 } });
    expect((await f.store.getLive([runId])).size).toBe(0);
    await expect.poll(() => f.index.counts(f.dev.id)).toEqual({ queued: 0, running: 0 });
  });

  it("9 a completion may quote any snapshot of its attempt, not one of an earlier attempt", async () => {
    await f.trigger();
    const run = await worker.take();
    const failed = await worker.complete(run, run.started.snapshotId, {
      ok: false,
      error: { type: "STRING_ERROR", raw: "boom" },
      retry: { timestamp: f.clock.now() + 10, delay: 10 },
    });
    expect(failed.attemptStatus).toBe("RETRY_IMMEDIATELY");
    const second = await worker.start({ friendlyId: run.friendlyId, snapshotId: failed.snapshotId });
    expect(second.execution.attempt.number).toBe(2);
    await expect(worker.complete(run, run.started.snapshotId, ok)).rejects.toMatchObject({ status: 409 });
    expect(await worker.complete(run, second.snapshotId, ok)).toMatchObject({ attemptStatus: "RUN_FINISHED", run: { attemptNumber: 2 } });
  });

  it("12 an unknown run and a run of another environment are 404 on every call", async () => {
    const runId = await f.trigger({ env: f.prod });
    for (const id of [runId, "c0000000000000000000000000", "nonsense"]) {
      const run = { friendlyId: `run_${id}`, snapshotId: snapshotId(id, 1) };
      await expect(worker.start(run)).rejects.toMatchObject({ status: 404 });
      await expect(worker.complete(run, run.snapshotId, ok)).rejects.toMatchObject({ status: 404 });
      await expect(worker.heartbeat(run, run.snapshotId)).rejects.toMatchObject({ status: 404 });
      await expect(worker.latest(run)).rejects.toMatchObject({ status: 404 });
      const since = f.worker.snapshotsSince({ env: f.dev, runId: run.friendlyId, snapshotId: run.snapshotId });
      await expect(since).rejects.toMatchObject({ status: 404 });
    }
  });

  it("12 a malformed or foreign snapshot is a 400", async () => {
    const runId = await f.trigger();
    const other = await f.trigger();
    for (const quoted of ["nonsense", snapshotId(other, 1)]) {
      await expect(worker.start({ friendlyId: `run_${runId}`, snapshotId: quoted })).rejects.toMatchObject({ status: 400 });
    }
    await Promise.all([runId, other].map((id) => f.engine.cancel({ envId: f.dev.id, runId: id })));
  });

  it("15 since answers every transition in order, the latest last", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    const answer = await f.worker.snapshotsSince({ env: f.dev, runId: run.friendlyId, snapshotId: snapshotId(runId, 1) });
    const states = (answer as { snapshots: { snapshot: { executionStatus: string } }[] }).snapshots.map((s) => s.snapshot.executionStatus);
    expect(states).toEqual(["PENDING_EXECUTING", "EXECUTING"]);
    expect((await worker.latest(run)).snapshot).toMatchObject({ friendlyId: run.started.snapshotId, executionStatus: "EXECUTING" });
    await f.engine.cancel({ envId: f.dev.id, runId, immediate: true });
  });

  it("completions carry metadata operations, for the run, its parent and its root", async () => {
    const parent = await f.trigger({ metadata: '{"sum":1}' });
    const parentRun = await worker.take();
    const child = await f.trigger({ parentId: parent, rootId: parent, depth: 1 });
    const run = await worker.take();
    const data = JSON.stringify({
      json: {
        operations: [{ type: "set", key: "done", value: true }],
        parentOperations: [{ type: "increment", key: "sum", value: 2 }],
        rootOperations: [{ type: "increment", key: "sum", value: 4 }],
      },
    });
    const completion = { ...ok, flushedMetadata: { data, dataType: "application/super+json" } };
    await worker.complete(run, run.started.snapshotId, completion);
    await worker.complete(run, run.started.snapshotId, completion);
    expect(JSON.parse((await f.store.getRun(f.dev.id, child))?.metadata ?? "")).toEqual({ done: true });
    expect(JSON.parse((await f.store.getRun(f.dev.id, parent))?.metadata ?? "")).toEqual({ sum: 7 });
    await worker.complete(parentRun, parentRun.started.snapshotId, ok);
  });
});
