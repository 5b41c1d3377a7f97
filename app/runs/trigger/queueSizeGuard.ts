/**
 * Refuses triggers for a queue that already holds its maximum. Sizes are read from the index at most once a second per
 * queue and process, beside the request and never before it: between two readings the runs admitted here are added, so
 * a process overshoots by what other processes admit in a second.
 */
import type { QueueIndex } from "../../engine/queueIndex/queueIndex";
import type { EnvironmentView } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import { AppError } from "../../utils/appError";
import type { RunsLimits } from "../types";

type Size = { queued: number; readAtMs: number; reading: boolean };

const FRESH_MS = 1_000;
/** Queues remembered; beyond, the one not seen for longest is forgotten and starts from an unknown size. */
const MAX_REMEMBERED = 10_000;

export class QueueSizeGuard {
  readonly #sizes = new Map<string, Size>();

  constructor(
    private readonly index: Pick<QueueIndex, "queueCounts">,
    private readonly clock: Clock,
    private readonly limits: Pick<RunsLimits, "maximumDevQueueSize" | "maximumDeployedQueueSize">
  ) {}

  /** Counts one more run of the queue. Throws AppError 422 when the queue is full. */
  admit(env: EnvironmentView, queue: string): void {
    const size = this.#sizeOf(env.id, queue);
    const limit = env.type === "DEVELOPMENT" ? this.limits.maximumDevQueueSize : this.limits.maximumDeployedQueueSize;
    if (size.queued >= limit) {
      throw new AppError(
        "queue_limit_reached",
        422,
        `Queue "${queue}" already holds ${limit} queued runs, its maximum. Wait for runs to start, or raise the maximum queue size.`
      );
    }
    size.queued++;
  }

  #sizeOf(envId: string, queue: string): Size {
    const key = `${envId}:${queue}`;
    const known = this.#sizes.get(key);
    const size = known ?? { queued: 0, readAtMs: Number.NEGATIVE_INFINITY, reading: false };
    if (!known) this.#remember(key, size);
    if (!size.reading && this.clock.now() - size.readAtMs >= FRESH_MS) void this.#read(envId, queue, size);
    return size;
  }

  #remember(key: string, size: Size): void {
    if (this.#sizes.size >= MAX_REMEMBERED) {
      for (const oldest of this.#sizes.keys()) {
        this.#sizes.delete(oldest);
        break;
      }
    }
    this.#sizes.set(key, size);
  }

  /** A failed reading leaves the last size: the index being away must not refuse triggers. */
  async #read(envId: string, queue: string, size: Size): Promise<void> {
    size.reading = true;
    try {
      const counts = await this.index.queueCounts(envId, [queue]);
      size.queued = counts.get(queue)?.queued ?? 0;
    } catch {
      size.queued = 0;
    } finally {
      size.readAtMs = this.clock.now();
      size.reading = false;
    }
  }
}
