/**
 * What committed changes do to the queue index, one script per kind and tick. The index never rejects a write: what Redis
 * does not take is delivered later, or repaired by re-check and audit, so nothing here fails a caller.
 */
import { errorMessage, type Logger } from "../../platform/logger";
import type { IndexItem, QueueIndex, SlotConfirm, SlotRelease } from "./queueIndex";

export type Beat = Parameters<QueueIndex["beat"]>[0][number];

export class IndexWriter {
  private readonly offers: TickBatch<IndexItem>;
  private readonly releases: TickBatch<SlotRelease>;
  private readonly removals: TickBatch<SlotRelease>;
  private readonly confirms: TickBatch<SlotConfirm>;
  private readonly beats: TickBatch<Beat>;

  constructor(index: QueueIndex, log: Logger) {
    this.offers = new TickBatch("enqueue", log, (items) => index.enqueue(items));
    this.releases = new TickBatch("release", log, (items) => index.release(items));
    this.removals = new TickBatch("remove", log, (items) => index.remove(items));
    this.confirms = new TickBatch("confirm", log, (items) => index.confirm(items));
    this.beats = new TickBatch("beat", log, (items) => index.beat(items));
  }

  /** Offer a queued run. */
  offer(item: IndexItem): Promise<void> {
    return this.offers.add(item);
  }

  /** Free the slot of a run that holds none any more. */
  release(item: SlotRelease): Promise<void> {
    return this.releases.add(item);
  }

  /** Free what the run held, then offer it again: a run that holds a slot is not offered. */
  async releaseAndOffer(release: SlotRelease, score: number): Promise<void> {
    await this.releases.add(release);
    await this.offers.add({ runId: release.runId, lane: release.lane, score });
  }

  /** Take a run that is not queued any more out of its lane, and free what it holds. */
  remove(item: SlotRelease): Promise<void> {
    return this.removals.add(item);
  }

  /** Turn a claim into a slot held by the dequeued seq. Await it before the run is handed out. */
  confirm(item: SlotConfirm): Promise<void> {
    return this.confirms.add(item);
  }

  /** Set the deadline of a run in progress. */
  beat(item: Beat): Promise<void> {
    return this.beats.add(item);
  }
}

/** Collects the items of one tick into one call. */
class TickBatch<T> {
  private items: T[] = [];
  private flushing: Promise<void> | undefined;

  constructor(
    private readonly name: string,
    private readonly log: Logger,
    private readonly write: (items: T[]) => Promise<void>
  ) {}

  add(item: T): Promise<void> {
    this.items.push(item);
    this.flushing ??= new Promise((resolve) => setImmediate(() => resolve(this.flush())));
    return this.flushing;
  }

  private async flush(): Promise<void> {
    const items = this.items;
    this.items = [];
    this.flushing = undefined;
    try {
      await this.write(items);
    } catch (error) {
      this.log.error("index.write_failed", { write: this.name, count: items.length, message: errorMessage(error) });
    }
  }
}
