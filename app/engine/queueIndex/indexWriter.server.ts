/**
 * What committed changes do to the queue index. The index collects what one tick issues, and never rejects a write: what
 * Redis does not take is delivered later, or repaired by re-check and audit. So nothing here fails a caller, and few wait.
 */
import type { IndexItem, QueueIndex, SlotConfirm, SlotRelease } from "./queueIndex";

export type Beat = Parameters<QueueIndex["beat"]>[0][number];

export class IndexWriter {
  constructor(private readonly index: Pick<QueueIndex, "enqueue" | "release" | "remove" | "confirm" | "beat">) {}

  /** Offer a queued run. */
  offer(item: IndexItem): Promise<void> {
    return this.index.enqueue([item]);
  }

  /** Free the slot of a run that holds none any more. */
  release(item: SlotRelease): Promise<void> {
    return this.index.release([item]);
  }

  /** Free what the run held, then offer it again: a run that holds a slot is not offered. */
  async releaseAndOffer(release: SlotRelease, score: number): Promise<void> {
    await this.index.release([release]);
    await this.index.enqueue([{ runId: release.runId, lane: release.lane, score }]);
  }

  /** Take a run that is not queued any more out of its lane, and free what it holds. */
  remove(item: SlotRelease): Promise<void> {
    return this.index.remove([item]);
  }

  /**
   * Turn a claim into a slot held by the dequeued seq. Nobody has to wait for it: what this process writes of one run is
   * applied in order, and a release that another process writes first is found by the audit.
   */
  confirm(item: SlotConfirm): Promise<void> {
    return this.index.confirm([item]);
  }

  /** Set the deadline of a run in progress. */
  beat(item: Beat): Promise<void> {
    return this.index.beat([item]);
  }
}
