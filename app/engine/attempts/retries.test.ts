import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createEngineFixture, workerOf, type DequeuedRun, type EngineFixture, type StartedRun } from "../../../test/engineFixture";
import type { Completion, WireError } from "../types";

let f: EngineFixture;
let worker: ReturnType<typeof workerOf>;

const retry = { maxAttempts: 3, factor: 2, minTimeoutInMs: 1_000, maxTimeoutInMs: 5_000, randomize: false };

beforeAll(async () => {
  f = await createEngineFixture();
});
afterAll(() => f.close());
beforeEach(async () => {
  const tasks = [
    { id: "a", retry },
    { id: "oom", retry: { ...retry, outOfMemory: { machine: "large-1x" } } },
  ];
  worker = workerOf(f, await f.register(tasks, "one"));
});

const boom: WireError = { type: "BUILT_IN_ERROR", name: "Error", message: "boom", stackTrace: "Error: boom\n    at x" };
const internal = (code: string, message?: string): WireError => ({ type: "INTERNAL_ERROR", code, message });

function failure(error: WireError, over: Partial<Extract<Completion, { ok: false }>> = {}): Completion {
  return { ok: false, error, usage: { durationMs: 10 }, ...over };
}
function wish(delay: number) {
  return { retry: { timestamp: f.clock.now() + delay, delay } };
}
const detail = (runId: string) => f.store.getRun(f.dev.id, runId);

/** Moves time past the run's timer and lets the timers fire. */
async function fireTimer(runId: string): Promise<void> {
  const dueAt = (await detail(runId))?.dueAt;
  if (!dueAt) throw new Error("The run has no timer.");
  f.clock.advance(Math.max(dueAt.getTime() - f.clock.now() + 1, 0));
  await f.engine.loops.timers.runOnce();
}

async function end(run: DequeuedRun & { started: StartedRun }, snapshot = run.started.snapshotId) {
  await worker.complete(run, snapshot, { ok: true, outputType: "application/json" });
}

describe("errors and retries", () => {
  it("17 a user error with retries left keeps the process and the slot", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    const answer = await worker.complete(run, run.started.snapshotId, failure(boom, wish(1_000)));
    expect(answer).toMatchObject({ attemptStatus: "RETRY_IMMEDIATELY", run: { status: "RETRYING_AFTER_FAILURE", attemptNumber: 1 } });
    expect(await detail(runId)).toMatchObject({ state: "EXECUTING", status: "RETRYING_AFTER_FAILURE" });
    expect((await f.index.counts(f.dev.id)).running).toBe(1);
    const again = await worker.complete(run, run.started.snapshotId, failure(boom, wish(1_000)));
    expect(again).toEqual(answer);
    const second = await worker.start({ friendlyId: run.friendlyId, snapshotId: answer.snapshotId });
    expect(second.execution.attempt.number).toBe(2);
    await end(run, second.snapshotId);
    expect(await detail(runId)).toMatchObject({ status: "COMPLETED_SUCCESSFULLY", result: { attempts: 2, usageMs: 10 } });
  });

  it("18 a delay of 30 s frees the slot, and the run is offered when it is due, not before", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    const answer = await worker.complete(run, run.started.snapshotId, failure(boom, wish(30_000)));
    expect(answer).toMatchObject({ attemptStatus: "RETRY_QUEUED", run: { attemptNumber: 1 } });
    await expect.poll(() => f.index.counts(f.dev.id)).toEqual({ queued: 0, running: 0 });
    expect(await worker.complete(run, run.started.snapshotId, failure(boom, wish(30_000)))).toEqual(answer);
    await f.engine.loops.timers.runOnce();
    expect(await detail(runId)).toMatchObject({ state: "RETRY_WAIT", status: "PENDING" });
    await fireTimer(runId);
    const second = await worker.take();
    expect(second).toMatchObject({ runId, attemptNumber: 2 });
    expect(second.started.execution.attempt.number).toBe(2);
    await end(second);
  });

  it("19 attempts exhausted: COMPLETED_WITH_ERRORS, with the error", async () => {
    const runId = await f.trigger({ options: { maxAttempts: 1 } });
    const run = await worker.take();
    const answer = await worker.complete(run, run.started.snapshotId, failure(boom, wish(10)));
    expect(answer).toMatchObject({ attemptStatus: "RUN_FINISHED", run: { status: "COMPLETED_WITH_ERRORS", attemptNumber: 1 } });
    expect(JSON.parse((await detail(runId))?.result?.error ?? "")).toMatchObject({ type: "BUILT_IN_ERROR", message: "boom" });
    expect(await worker.complete(run, run.started.snapshotId, failure(boom, wish(10)))).toEqual(answer);
  });

  it("20 a code that cannot be retried is final at its first failure", async () => {
    await f.trigger();
    const run = await worker.take();
    const answer = await worker.complete(run, run.started.snapshotId, failure(internal("COULD_NOT_FIND_EXECUTOR"), wish(10)));
    expect(answer).toMatchObject({ attemptStatus: "RUN_FINISHED", run: { status: "SYSTEM_FAILURE" } });
  });

  it("21 and 22 the server computes the delay for a process that died, from the policy frozen with the version", async () => {
    const runId = await f.trigger();
    let run = await worker.take();
    for (const attempt of [1, 2]) {
      const before = f.clock.now();
      const answer = await worker.complete(run, run.started.snapshotId, failure(internal("TASK_PROCESS_SIGSEGV")));
      expect(answer).toMatchObject({ attemptStatus: "RETRY_QUEUED", run: { attemptNumber: attempt } });
      const delay = ((await detail(runId))?.dueAt?.getTime() ?? 0) - before;
      expect(delay).toBeGreaterThanOrEqual(1_000 * 2 ** (attempt - 1));
      await fireTimer(runId);
      run = await worker.take();
    }
    const last = await worker.complete(run, run.started.snapshotId, failure(internal("TASK_PROCESS_SIGSEGV")));
    expect(last).toMatchObject({ attemptStatus: "RUN_FINISHED", run: { status: "CRASHED", attemptNumber: 3 } });
  });

  it("23 out of memory goes to the larger machine; the second time it is CRASHED", async () => {
    const runId = await f.trigger({ task: "oom" });
    const run = await worker.take();
    const error = internal("TASK_PROCESS_OOM_KILLED");
    expect(await worker.complete(run, run.started.snapshotId, failure(error))).toMatchObject({ attemptStatus: "RETRY_QUEUED" });
    await fireTimer(runId);
    const second = await worker.take();
    expect(second.message.run.machine).toMatchObject({ name: "large-1x" });
    expect(second.started.execution.machine).toMatchObject({ name: "large-1x" });
    const answer = await worker.complete(second, second.started.snapshotId, failure(error));
    expect(answer).toMatchObject({ attemptStatus: "RUN_FINISHED", run: { status: "CRASHED" } });
  });

  it("25 maxDuration exceeded is TIMED_OUT", async () => {
    await f.trigger();
    const run = await worker.take();
    const answer = await worker.complete(run, run.started.snapshotId, failure(internal("MAX_DURATION_EXCEEDED"), wish(10)));
    expect(answer).toMatchObject({ attemptStatus: "RUN_FINISHED", run: { status: "TIMED_OUT" } });
  });

  it("27 an error that Postgres would refuse is stored all the same", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    const message = `\0bad \ud800 ${"x".repeat(100_000)}`;
    await worker.complete(run, run.started.snapshotId, failure({ ...boom, message }, { skippedRetrying: true }));
    const stored = JSON.parse((await detail(runId))?.result?.error ?? "") as { message: string };
    expect(stored.message.length).toBeLessThan(17_000);
    expect(stored.message.startsWith("bad \ufffd")).toBe(true);
  });

  it("27 an output with NUL is stored without it", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    await worker.complete(run, run.started.snapshotId, { ok: true, output: "a\0b", outputType: "text/plain" });
    expect((await detail(runId))?.result?.output).toBe("ab");
  });

  it("28 skipRetrying is honoured", async () => {
    await f.trigger();
    const run = await worker.take();
    const answer = await worker.complete(run, run.started.snapshotId, failure(boom, { ...wish(10), skippedRetrying: true }));
    expect(answer).toMatchObject({ attemptStatus: "RUN_FINISHED", run: { status: "COMPLETED_WITH_ERRORS" } });
  });

  it("30 usage adds up over attempts and stops at the largest int4; dev costs nothing", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    const usage = { durationMs: 2_147_483_000 };
    const answer = await worker.complete(run, run.started.snapshotId, failure(boom, { ...wish(10), usage }));
    const second = await worker.start({ friendlyId: run.friendlyId, snapshotId: answer.snapshotId });
    expect(second.execution.run.durationMs).toBe(usage.durationMs);
    await worker.complete(run, second.snapshotId, { ok: true, outputType: "application/json", usage });
    expect((await detail(runId))?.result).toMatchObject({ usageMs: 2_147_483_647, costInCents: 0 });
  });

  it("a failed run frees its idempotency key, a completed one keeps it", async () => {
    const idempotency = { key: "k", expiresAt: new Date(f.clock.now() + 3_600_000) };
    const first = await f.trigger({ idempotency, idempotencyKey: "k" });
    const run = await worker.take();
    await worker.complete(run, run.started.snapshotId, failure(boom, { skippedRetrying: true }));
    const second = await f.trigger({ idempotency, idempotencyKey: "k" });
    expect(second).not.toBe(first);
    await end(await worker.take());
    await expect(f.trigger({ idempotency, idempotencyKey: "k" })).rejects.toThrow("cached");
  });
});
