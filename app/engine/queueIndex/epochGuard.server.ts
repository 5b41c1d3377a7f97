/**
 * Writes that take or free a slot name the index epoch and fail on another one, so that a rebuild of the index can wait for
 * them. This runs such a write in the epoch of now, and again when the index was rebuilt meanwhile.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { RunStore } from "../../runops/runStore";
import { RetryableError } from "../../utils/appError";
import type { QueueIndex } from "./queueIndex";

const MAX_TRIES = 20;
const PAUSE_MS = 50;

type Fenced = { kind: string };

export class EpochGuard {
  constructor(
    private readonly store: Pick<RunStore, "readEpoch">,
    private readonly index: Pick<QueueIndex, "epoch" | "renewEpoch">
  ) {}

  /** The outcome of `write` in a valid epoch. Throws RetryableError when no epoch stays valid long enough. */
  async run<O extends Fenced>(write: (epoch: number) => Promise<O>): Promise<Exclude<O, { kind: "stale-epoch" }>> {
    let epoch = this.index.epoch() ?? (await this.stored());
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const outcome = await write(epoch);
      if (isCurrent(outcome)) return outcome;
      await sleep(PAUSE_MS * Math.min(tries, 4));
      epoch = (await this.index.renewEpoch(epoch)) ?? (await this.stored());
    }
    throw new RetryableError("index_rebuilding", "The queue index is being rebuilt. Try again in a moment.");
  }

  private async stored(): Promise<number> {
    return (await this.store.readEpoch()).epoch;
  }
}

function isCurrent<O extends Fenced>(outcome: O): outcome is Exclude<O, { kind: "stale-epoch" }> {
  return outcome.kind !== "stale-epoch";
}
