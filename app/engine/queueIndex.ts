/**
 * The port to the queue index in Redis: what is ready, who holds a slot, what is overdue. Everything in it can be
 * recomputed from `run_live`; the driver never decides the state of a run.
 */
import type { Lane } from "../runops/runStore";

/** A queued run to offer. */
export type IndexItem = { runId: string; lane: Lane; score: number };

/** A run taken from its lane; it holds a slot under `claim` until the commit confirms or releases it. */
export type Claim = { runId: string; lane: Lane; score: number; claim: number; epoch: number };

/** Names the holder whose slot is freed: the claim of a take, or any seq up to `seq`. A newer holder is left alone. */
export type SlotRelease = { runId: string; lane: Lane; claim?: number; seq?: number };

/** Limits of an environment as the index needs them. `queues` holds only queues with a limit or a pause. */
export type EnvironmentLimits = {
  envId: string;
  /** floor(limit x burst factor). */
  max: number;
  /** The environment's limit; caps every queue limit. */
  base: number;
  paused: boolean;
  queues: { name: string; limit: number | null; paused: boolean }[];
};

export type QueueCounts = { queued: number; running: number };

export interface QueueIndex {
  /** The epoch this process works in, or null while the index is not ready (no takes). */
  epoch(): number | null;
  /** Idempotent. */
  enqueue(items: readonly IndexItem[]): Promise<void>;
  /** Up to `count` claims of a region, fair over its environments, within all limits. */
  take(region: string, count: number, nowMs: number): Promise<Claim[]>;
  /** The dequeue was committed: the slot is held by `seq` now, overdue at `deadlineMs`. */
  confirm(items: readonly { runId: string; lane: Lane; claim: number; seq: number; deadlineMs: number }[]): Promise<void>;
  /** Free slots; `keepBeat` leaves the deadline entry (PENDING_CANCEL). Idempotent. */
  release(items: readonly (SlotRelease & { keepBeat?: boolean })[]): Promise<void>;
  /** Take queued runs out of their lanes (cancel, expire, pending version) and free what they hold. */
  remove(items: readonly SlotRelease[]): Promise<void>;
  setLimits(limits: EnvironmentLimits): Promise<void>;
  /** New deadline of runs in progress. */
  beat(items: readonly { runId: string; deadlineMs: number }[]): Promise<void>;
  /** Run ids whose deadline has passed. */
  overdue(nowMs: number, limit: number): Promise<string[]>;
  /** Drop deadline entries that no longer mean anything. */
  forget(runIds: readonly string[]): Promise<void>;
  counts(envId: string): Promise<QueueCounts>;
  queueCounts(envId: string, queues: readonly string[]): Promise<Map<string, QueueCounts>>;
  /** Calls `listener` when work may have become available in a region; returns the unsubscribe. */
  onWake(listener: (region: string) => void): () => void;
}
