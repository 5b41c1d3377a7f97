/**
 * Adaptive group commit. While a slot is free a request leaves on the next tick; while statements are in flight requests
 * collect, so the group grows with the load and an idle server waits for nothing.
 */
import { AppError, RetryableError } from "../utils/appError";
import { errorMessage, type Logger } from "../platform/logger";

/** What became of an attempt to run a group. `unknown`: it may have been committed. */
export type FailureKind = "transient" | "unknown" | "data" | "fatal";

/** `repeated`: an earlier attempt of this very group may have been committed, so a miss can be our own doing. */
export type GroupContext = { nowMs: number; repeated: boolean };

export type BatcherOptions<Req, Res> = {
  name: string;
  /** Rows of a group. Default 256: beyond it latency grows and throughput does not. */
  maxRows?: number;
  /** Bytes of a group, as `sizeOf` counts. Default 1 MiB; a larger single request goes alone. */
  maxBytes?: number;
  /** Groups in flight. Default 2. */
  inflight?: number;
  /** Requests waiting; beyond it callers get a 503. Default 20,000. */
  maxQueued?: number;
  /** Bytes waiting. Default 64 MiB. */
  maxQueuedBytes?: number;
  sizeOf?(request: Req): number;
  /** Requests with the same key never share a group: the later one leaves with the next. */
  keyOf?(request: Req): string;
  /** Runs one group; answers in the order of the requests. Must be safe to repeat. */
  run(group: readonly Req[], context: GroupContext): Promise<Res[]>;
  /** How a thrown error is treated; see `classifyFailure`. */
  classify(error: unknown): FailureKind;
  now(): number;
  /** 0 to 1; jitter of retries. */
  random?(): number;
  log: Logger;
};

type Waiting<Req, Res> = { request: Req; bytes: number; resolve(result: Res): void; reject(error: unknown): void };

const DEFAULTS = { maxRows: 256, maxBytes: 1 << 20, inflight: 2, maxQueued: 20_000, maxQueuedBytes: 64 << 20 };
const TRANSIENT_RETRIES = 5;
const UNKNOWN_RETRIES = 2;
const RETRY_BASE_MS = 10;
const UNKNOWN_RETRY_BASE_MS = 100;

export class Batcher<Req, Res> {
  private readonly options: BatcherOptions<Req, Res> & typeof DEFAULTS;
  private queue: Waiting<Req, Res>[] = [];
  private queuedBytes = 0;
  private running = 0;
  private scheduled = false;
  private idle: (() => void)[] = [];

  constructor(options: BatcherOptions<Req, Res>) {
    this.options = { ...DEFAULTS, ...options };
  }

  /** The outcome of `request`, committed. Rejects with a `RetryableError` when too much waits or the database is away. */
  call(request: Req): Promise<Res> {
    const bytes = this.options.sizeOf?.(request) ?? 0;
    if (this.queue.length >= this.options.maxQueued || this.queuedBytes + bytes > this.options.maxQueuedBytes) {
      return Promise.reject(
        new RetryableError("store_overloaded", `Too many ${this.options.name} requests are waiting for the database; try again.`)
      );
    }
    return new Promise((resolve, reject) => {
      this.queue.push({ request, bytes, resolve, reject });
      this.queuedBytes += bytes;
      this.schedule();
    });
  }

  /** Resolves when nothing waits and nothing is in flight. */
  drain(): Promise<void> {
    if (this.queue.length === 0 && this.running === 0) return Promise.resolve();
    return new Promise((resolve) => this.idle.push(resolve));
  }

  /** Requests waiting and groups in flight, for metrics. */
  get load(): { queued: number; running: number } {
    return { queued: this.queue.length, running: this.running };
  }

  private schedule(): void {
    if (this.scheduled || this.queue.length === 0 || this.running >= this.options.inflight) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.flush();
    });
  }

  private flush(): void {
    while (this.running < this.options.inflight && this.queue.length > 0) {
      const group = this.takeGroup();
      this.running += 1;
      void this.settle(group, { nowMs: this.options.now(), repeated: false }).finally(() => {
        this.running -= 1;
        this.schedule();
        if (this.queue.length === 0 && this.running === 0) for (const resolve of this.idle.splice(0)) resolve();
      });
    }
  }

  private takeGroup(): Waiting<Req, Res>[] {
    const { maxRows, maxBytes, keyOf } = this.options;
    const group: Waiting<Req, Res>[] = [];
    const later: Waiting<Req, Res>[] = [];
    const keys = new Set<string>();
    let bytes = 0;
    let at = 0;
    for (; at < this.queue.length && group.length < maxRows; at++) {
      const waiting = this.queue[at] as Waiting<Req, Res>;
      if (group.length > 0 && bytes + waiting.bytes > maxBytes) break;
      if (keyOf) {
        const key = keyOf(waiting.request);
        if (keys.has(key)) {
          later.push(waiting);
          continue;
        }
        keys.add(key);
      }
      group.push(waiting);
      bytes += waiting.bytes;
    }
    this.queue = later.length === 0 && at === this.queue.length ? [] : later.concat(this.queue.slice(at));
    this.queuedBytes -= bytes;
    return group;
  }

  /** Answers every request of the group, splitting it around rows that the database refuses. Never rejects. */
  private async settle(group: Waiting<Req, Res>[], context: GroupContext): Promise<void> {
    try {
      const results = await this.attempt(group, context);
      if (results.length !== group.length) throw new Error(`${this.options.name} answered ${results.length} of ${group.length} requests.`);
      group.forEach((waiting, i) => waiting.resolve(results[i] as Res));
    } catch (error) {
      if (group.length > 1 && this.options.classify(error) === "data") {
        const half = group.length >> 1;
        await this.settle(group.slice(0, half), context);
        await this.settle(group.slice(half), context);
        return;
      }
      const shown = this.shownError(error);
      for (const waiting of group) waiting.reject(shown);
    }
  }

  private async attempt(group: readonly Waiting<Req, Res>[], context: GroupContext): Promise<Res[]> {
    const requests = group.map((waiting) => waiting.request);
    let { repeated } = context;
    let transient = 0;
    let unknown = 0;
    for (;;) {
      try {
        return await this.options.run(requests, { nowMs: context.nowMs, repeated });
      } catch (error) {
        const kind = this.options.classify(error);
        if (kind === "transient" && transient < TRANSIENT_RETRIES) await this.pause(RETRY_BASE_MS * 2 ** transient++);
        else if (kind === "unknown" && unknown < UNKNOWN_RETRIES) {
          repeated = true;
          await this.pause(UNKNOWN_RETRY_BASE_MS * 2 ** unknown++);
        } else throw error;
        this.options.log.warn("store.group_retried", { verb: this.options.name, rows: group.length, kind, message: errorMessage(error) });
      }
    }
  }

  private pause(ms: number): Promise<void> {
    const random = this.options.random ?? Math.random;
    return new Promise((resolve) => setTimeout(resolve, ms * (0.5 + random())));
  }

  private shownError(error: unknown): unknown {
    const kind = this.options.classify(error);
    if (kind === "data") return new AppError("unstorable", 422, `The database refused a value of this request: ${errorMessage(error)}`);
    if (kind === "fatal") return error;
    this.options.log.error("store.group_failed", { verb: this.options.name, kind, message: errorMessage(error) });
    return new RetryableError("store_unavailable", "The run database did not answer; try again.");
  }
}
