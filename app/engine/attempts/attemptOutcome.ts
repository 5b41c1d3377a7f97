/** What follows a failed attempt: decided from facts alone, so every row of the table can be tested. */
import type { FinalRunStatus } from "../../runops/runStates";
import type { RetryConfig } from "../../runops/runStore";
import { finalStatusOf, isOutOfMemory, isRetryable, retriedByServer } from "./errorClassification";
import type { WireError } from "../types";

/** Delays from here on free the slot: the run waits in the queue instead of in its process. */
const QUEUED_RETRY_FROM_MS = 30_000;
/** A worker drops a run that is offered again while it still cleans up after the last attempt. */
const MIN_REQUEUE_DELAY_MS = 500;
/** Attempts of one run, whatever its policy says. */
export const MAX_ATTEMPTS = 250;

const DEFAULTS = { maxAttempts: 3, factor: 2, minTimeoutInMs: 1_000, maxTimeoutInMs: 60_000, randomize: true };

export type FailedAttempt = {
  error: WireError;
  /** What the worker asked for; absent when the process died or no attempt should follow. */
  retry?: { timestamp: number; delay: number };
  skippedRetrying?: boolean;
  /** A retry cannot happen in the same process. */
  processIsGone?: boolean;
  /** The attempt that failed, from 1. */
  attempt: number;
  /** Of the trigger's options; wins over the task's. */
  maxAttempts: number | null;
  /** The policy of the task in the run's version, frozen with it. */
  retryConfig: RetryConfig | null;
  /** Preset of the failed attempt. */
  machine: string;
  isDev: boolean;
  nowMs: number;
  /** In [0, 1). */
  random: () => number;
};

export type AttemptOutcome =
  | { kind: "retry-immediately" }
  | { kind: "retry-queued"; dueAtMs: number; machine: string | null }
  | { kind: "final"; status: FinalRunStatus };

/** Out of memory first (it has its own single retry, on the larger machine), then the worker's wish, then the server's lookup. */
export function decideFailedAttempt(failed: FailedAttempt): AttemptOutcome {
  if (isOutOfMemory(failed.error)) return decideOutOfMemory(failed);
  const limit = Math.min(failed.maxAttempts ?? failed.retryConfig?.maxAttempts ?? DEFAULTS.maxAttempts, MAX_ATTEMPTS);
  if (failed.skippedRetrying || !isRetryable(failed.error) || failed.attempt >= limit) return final(failed);
  if (failed.retry) return byWorker(failed, failed.retry);
  if (!failed.retryConfig || !retriedByServer(failed.error)) return final(failed);
  return queued(failed, failed.nowMs + retryDelayMs(failed.retryConfig, failed.attempt, failed.random));
}

/** A stalled attempt: retried through the queue while attempts remain; final in dev, where the session is gone. */
export function decideStalledAttempt(failed: FailedAttempt): AttemptOutcome {
  const limit = Math.min(failed.maxAttempts ?? failed.retryConfig?.maxAttempts ?? 1, MAX_ATTEMPTS);
  if (failed.isDev || failed.attempt >= limit) return final(failed);
  return queued(failed, failed.nowMs);
}

/** min(max, r x min x factor^(attempt-1)) with r in [1, 2) when randomised, as the SDK documents its policies. */
export function retryDelayMs(config: RetryConfig, attempt: number, random: () => number): number {
  const { factor, minTimeoutInMs, maxTimeoutInMs, randomize } = { ...DEFAULTS, ...withoutUndefined(config) };
  const spread = randomize ? 1 + random() : 1;
  return Math.round(Math.min(maxTimeoutInMs, spread * minTimeoutInMs * factor ** (attempt - 1)));
}

function decideOutOfMemory(failed: FailedAttempt): AttemptOutcome {
  const larger = failed.retryConfig?.outOfMemory?.machine;
  if (!larger || larger === failed.machine || failed.attempt >= MAX_ATTEMPTS) return { kind: "final", status: "CRASHED" };
  return { kind: "retry-queued", dueAtMs: failed.nowMs + MIN_REQUEUE_DELAY_MS, machine: larger };
}

function byWorker(failed: FailedAttempt, retry: { timestamp: number; delay: number }): AttemptOutcome {
  return retry.delay >= QUEUED_RETRY_FROM_MS || failed.processIsGone ? queued(failed, retry.timestamp) : { kind: "retry-immediately" };
}

function queued(failed: FailedAttempt, dueAtMs: number): AttemptOutcome {
  return { kind: "retry-queued", dueAtMs: Math.max(dueAtMs, failed.nowMs + MIN_REQUEUE_DELAY_MS), machine: null };
}

function final(failed: FailedAttempt): AttemptOutcome {
  return { kind: "final", status: finalStatusOf(failed.error, failed.isDev) };
}

function withoutUndefined(config: RetryConfig): RetryConfig {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined && value !== null));
}
