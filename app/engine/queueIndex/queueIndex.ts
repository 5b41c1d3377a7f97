/**
 * The port to the queue index in Redis: what is ready, who holds a slot, what is overdue. Everything in it can be
 * recomputed from `run_live`; the driver never decides the state of a run.
 *
 * Writes (`enqueue`, `confirm`, `release`, `remove`, `beat`, `forget`) never reject: what Redis did not take is kept in
 * memory in order and delivered when Redis is back, or left to the re-check and the audit when too much piles up. The
 * promise resolves when the write was applied or handed to that buffer. Await `confirm` before a run is handed out.
 */
import type { Lane } from "../../runops/runStore";

/** A lane as the index names it; concurrency keys are digested there, so the original key is not in it. */
export type LaneRef = { envId: string; queue: string; region: string; laneKey: string };

/** A queued run to offer. */
export type IndexItem = { runId: string; lane: Lane | LaneRef; score: number };

/** A run taken from its lane; it holds a slot under `claim` until the commit confirms or releases it. */
export type Claim = { runId: string; lane: LaneRef; score: number; claim: number; epoch: number };

/**
 * Names the holder whose slot is freed: the claim of a take, or any seq up to `seq`, or either. A newer holder is left
 * alone. With neither, no slot is freed.
 */
export type SlotRelease = { runId: string; lane: Lane | LaneRef; claim?: number; seq?: number };

/** A committed dequeue: `seq` holds the slot now (of `claim`, when one is named), overdue at `deadlineMs`. */
export type SlotConfirm = { runId: string; lane: Lane | LaneRef; claim?: number; seq: number; deadlineMs: number };

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

/** Where the driver asks for limits that the index does not hold yet. */
export type LimitsSource = (envId: string) => Promise<EnvironmentLimits>;

export type QueueCounts = { queued: number; running: number };

export interface QueueIndex {
  /**
   * The epoch to quote in store requests; null only before the first start. It goes on being valid while the index is
   * rebuilt or Redis is away: starts and completions continue then, only `take` answers nothing.
   */
  epoch(): number | null;
  /**
   * The store answered `stale-epoch` to `staleEpoch`: resolves with the current epoch once it is known here, or after 5 s
   * with what is known. Retry the request with it; a claim of the stale epoch is void.
   */
  renewEpoch(staleEpoch: number): Promise<number | null>;
  /** Idempotent; a run that holds a slot is not offered, so release before enqueueing again. */
  enqueue(items: readonly IndexItem[]): Promise<void>;
  /** Up to `count` claims of a region, fair over its environments, within all limits. Empty while the index is not ready. */
  take(region: string, count: number, nowMs: number): Promise<Claim[]>;
  /** The dequeue was committed: the slot is held by `seq` now, overdue at `deadlineMs`. */
  confirm(items: readonly SlotConfirm[]): Promise<void>;
  /** Free slots; `keepBeat` leaves the deadline entry. Idempotent. */
  release(items: readonly (SlotRelease & { keepBeat?: boolean })[]): Promise<void>;
  /** Take queued runs out of their lanes (cancel, expire, pending version) and free what they hold. */
  remove(items: readonly SlotRelease[]): Promise<void>;
  /** Overwrite the limits of an environment and offer again what they had blocked. Call on every change of configuration. */
  setLimits(limits: EnvironmentLimits): Promise<void>;
  /**
   * Resolves when no claim taken before this call is still undecided, for one queue or (null) a whole environment: after
   * `setLimits` with a pause this makes "nothing new starts" exact. Ends at the claim lease (15 s) at the latest.
   */
  settleClaims(envId: string, queue: string | null): Promise<void>;
  /** New deadline of runs in progress. */
  beat(items: readonly { runId: string; deadlineMs: number }[]): Promise<void>;
  /** Run ids whose deadline has passed, most overdue first. */
  overdue(nowMs: number, limit: number): Promise<string[]>;
  /** Drop deadline entries that no longer mean anything. */
  forget(runIds: readonly string[]): Promise<void>;
  counts(envId: string): Promise<QueueCounts>;
  queueCounts(envId: string, queues: readonly string[]): Promise<Map<string, QueueCounts>>;
  /** Calls `listener` when work may have become available in a region; returns the unsubscribe. */
  onWake(listener: (region: string) => void): () => void;
}
