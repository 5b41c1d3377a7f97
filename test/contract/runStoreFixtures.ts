/** Runs and requests for the contract suite of the run store. */
import type { FinishRequest, NewRun, RunStore, TransitionRequest } from "../../app/runops/runStore";
import { mintId } from "../../app/utils/ids";
import { plainRun } from "../plainRun";

/** What a case is run against. `mint` makes ids of the shape that the case's store holds; two shapes when it routes. */
export type StoreUnderTest = {
  store: RunStore;
  /** Moves the clock that the store reads. */
  advance(ms: number): void;
  now(): number;
  /** A fresh run id of the `shape`-th kind that this store holds. */
  mint(shape?: number): string;
};

/** Id in the control shape, whatever the store: for environments, versions, schedules. */
export function someId(): string {
  return mintId(Date.now());
}

/** A plain queued run in an environment of its own. */
export function newRun(subject: StoreUnderTest, over: Partial<NewRun> = {}): NewRun {
  return plainRun(subject.now(), {
    id: subject.mint(),
    envId: someId(),
    task: "hello",
    queue: "task/hello",
    payload: '{"greeting":"hi"}',
    traceContext: { tracestate: "a=b" },
    ...over,
  });
}

/** With an idempotency key that lives for an hour. */
export function keyed(subject: StoreUnderTest, key: string, over: Partial<NewRun> = {}): NewRun {
  return newRun(subject, { idempotencyKey: key, idempotency: { key, expiresAt: new Date(subject.now() + 3_600_000) }, ...over });
}

/** A successful completion that quotes `seq`. */
export function completion(runId: string, quoted: number, over: Partial<FinishRequest> = {}): FinishRequest {
  return {
    runId,
    epoch: 0,
    guard: { quoted },
    status: "COMPLETED_SUCCESSFULLY",
    output: '"done"',
    outputType: "application/json",
    error: null,
    usageMs: 100,
    costInCents: 0.5,
    freeIdempotencyKey: false,
    ...over,
  };
}

/** A failure that frees the idempotency key. */
export function failure(runId: string, quoted: number, over: Partial<FinishRequest> = {}): FinishRequest {
  return completion(runId, quoted, {
    status: "COMPLETED_WITH_ERRORS",
    output: null,
    error: '{"type":"STRING_ERROR","raw":"no"}',
    freeIdempotencyKey: true,
    ...over,
  });
}

/** A cancel of a run in progress: the runner is told and has until its deadline. */
export function cancelRunning(subject: StoreUnderTest, runId: string, seq: number): TransitionRequest {
  return {
    runId,
    epoch: 0,
    seq,
    from: ["PENDING_EXECUTING", "EXECUTING"],
    to: { state: "PENDING_CANCEL", status: "CANCELED" },
    set: { dueAt: new Date(subject.now() + 60_000), lastError: '{"type":"STRING_ERROR","raw":"cancelled"}' },
    bumpSeq: true,
  };
}

/** Hands the run out in epoch 0. */
export function dequeue(subject: StoreUnderTest, runId: string, over: Partial<Parameters<RunStore["dequeue"]>[0]> = {}) {
  return subject.store.dequeue({ runId, epoch: 0, currentVersionId: "v1", relock: false, ...over });
}

/** Triggers `run` and brings it to EXECUTING at seq 3. */
export async function executing(subject: StoreUnderTest, run: NewRun): Promise<NewRun> {
  await subject.store.trigger(run);
  await dequeue(subject, run.id);
  await subject.store.start({ runId: run.id, seq: 2, replayKey: "start-1", maxAttempt: 250 });
  return run;
}
