import { describe, expect, it } from "vitest";
import { decideFailedAttempt, decideStalledAttempt, retryDelayMs, type FailedAttempt } from "./attemptOutcome";

const NOW = 1_000_000;
const internal = (code: string, message?: string) => ({ type: "INTERNAL_ERROR" as const, code, message });
const userError = { type: "BUILT_IN_ERROR" as const, name: "Error", message: "boom", stackTrace: "Error: boom" };
const POLICY = { maxAttempts: 3, factor: 2, minTimeoutInMs: 1_000, maxTimeoutInMs: 5_000, randomize: false };

function failed(over: Partial<FailedAttempt>): FailedAttempt {
  const base = { error: userError, attempt: 1, maxAttempts: null, retryConfig: POLICY, machine: "small-1x", isDev: true };
  return { ...base, nowMs: NOW, random: () => 0.5, ...over };
}

describe("what follows a failed attempt", () => {
  it("17 a user error with retries left and a short delay is retried in the same process", () => {
    expect(decideFailedAttempt(failed({ retry: { timestamp: NOW + 1_000, delay: 1_000 } }))).toEqual({ kind: "retry-immediately" });
  });
  it("18 a delay of 30 s or more goes through the queue, due when the worker said", () => {
    const outcome = decideFailedAttempt(failed({ retry: { timestamp: NOW + 30_000, delay: 30_000 } }));
    expect(outcome).toEqual({ kind: "retry-queued", dueAtMs: NOW + 30_000, machine: null });
  });
  it("19 exhausted attempts are final", () => {
    const retry = { timestamp: NOW + 1, delay: 1 };
    expect(decideFailedAttempt(failed({ attempt: 3, retry }))).toEqual({ kind: "final", status: "COMPLETED_WITH_ERRORS" });
    expect(decideFailedAttempt(failed({ attempt: 1, maxAttempts: 1, retry }))).toMatchObject({ kind: "final" });
    expect(decideFailedAttempt(failed({ attempt: 3, maxAttempts: 4, retry }))).toEqual({ kind: "retry-immediately" });
  });
  it("20 a code that cannot be retried is final at its first failure", () => {
    const outcome = decideFailedAttempt(failed({ error: internal("COULD_NOT_FIND_EXECUTOR"), retry: { timestamp: NOW, delay: 0 } }));
    expect(outcome).toEqual({ kind: "final", status: "SYSTEM_FAILURE" });
  });
  it("21 a process that died gets its delay from the frozen policy", () => {
    const error = internal("TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE", "Process exited with code 1.");
    expect(decideFailedAttempt(failed({ error, attempt: 2 }))).toEqual({ kind: "retry-queued", dueAtMs: NOW + 2_000, machine: null });
    expect(decideFailedAttempt(failed({ error, retryConfig: null }))).toEqual({ kind: "final", status: "CRASHED" });
  });
  it("21 the delay stays in its range for every random value", () => {
    const policy = { factor: 2, minTimeoutInMs: 1_000, maxTimeoutInMs: 60_000, randomize: true };
    for (const random of [0, 0.25, 0.999]) {
      expect(retryDelayMs(policy, 3, () => random)).toBe(Math.round((1 + random) * 4_000));
    }
    expect(retryDelayMs(policy, 20, () => 0.999)).toBe(60_000);
  });
  it("22 SIGSEGV is retried, then CRASHED", () => {
    expect(decideFailedAttempt(failed({ error: internal("TASK_PROCESS_SIGSEGV") }))).toMatchObject({ kind: "retry-queued" });
    const last = decideFailedAttempt(failed({ error: internal("TASK_PROCESS_SIGSEGV"), attempt: 3 }));
    expect(last).toEqual({ kind: "final", status: "CRASHED" });
  });
  it("23 out of memory moves to the larger machine once", () => {
    const retryConfig = { ...POLICY, outOfMemory: { machine: "large-1x" } };
    const error = internal("TASK_PROCESS_OOM_KILLED");
    expect(decideFailedAttempt(failed({ error, retryConfig }))).toMatchObject({ kind: "retry-queued", machine: "large-1x" });
    const second = decideFailedAttempt(failed({ error, retryConfig, machine: "large-1x", attempt: 2 }));
    expect(second).toEqual({ kind: "final", status: "CRASHED" });
  });
  it("24 out of memory without a larger machine is CRASHED at once", () => {
    expect(decideFailedAttempt(failed({ error: internal("TASK_PROCESS_OOM_KILLED") }))).toEqual({ kind: "final", status: "CRASHED" });
  });
  it("25 maxDuration is TIMED_OUT without a retry", () => {
    const error = internal("MAX_DURATION_EXCEEDED");
    expect(decideFailedAttempt(failed({ error, retry: { timestamp: NOW, delay: 1 } }))).toEqual({ kind: "final", status: "TIMED_OUT" });
  });
  it("28 skipRetrying is honoured", () => {
    const outcome = decideFailedAttempt(failed({ skippedRetrying: true, retry: { timestamp: NOW, delay: 1 } }));
    expect(outcome).toEqual({ kind: "final", status: "COMPLETED_WITH_ERRORS" });
  });
  it("33 a stall is final in dev and goes through the queue elsewhere", () => {
    const error = internal("TASK_RUN_STALLED_EXECUTING");
    expect(decideStalledAttempt(failed({ error }))).toEqual({ kind: "final", status: "CANCELED" });
    expect(decideStalledAttempt(failed({ error, isDev: false }))).toMatchObject({ kind: "retry-queued" });
    expect(decideStalledAttempt(failed({ error, isDev: false, attempt: 3 }))).toEqual({ kind: "final", status: "COMPLETED_WITH_ERRORS" });
  });
  it("a queued retry is never due in the same instant: the worker would drop it", () => {
    const outcome = decideFailedAttempt(
      failed({ error: internal("TASK_PROCESS_SIGTERM"), retryConfig: { minTimeoutInMs: 1, randomize: false } })
    );
    expect(outcome).toMatchObject({ kind: "retry-queued", dueAtMs: NOW + 500 });
  });
});
