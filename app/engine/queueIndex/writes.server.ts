/**
 * Writes to the index: all of one tick go out as few script calls, in the order in which they were issued as far as one
 * run can tell, one flush at a time. What cannot be delivered waits here, in order, and follows the epoch.
 */
import { errorMessage, type Logger } from "../../platform/logger";
import { laneKey } from "./keys";
import type { IndexItem, SlotConfirm, SlotRelease } from "./queueIndex";
import { indexScripts, STALE, type IndexScript } from "./scripts.server";

export type IndexWrite =
  | { kind: "enqueue"; items: readonly IndexItem[] }
  | { kind: "confirm"; items: readonly SlotConfirm[] }
  | { kind: "release"; items: readonly (SlotRelease & { keepBeat?: boolean })[] }
  | { kind: "remove"; items: readonly SlotRelease[] }
  | { kind: "beat"; items: readonly { runId: string; deadlineMs: number }[] }
  | { kind: "forget"; items: readonly { runId: string }[] };

type Kind = IndexWrite["kind"];
/** One item, already encoded: `lane` only for enqueues, which are grouped by it. */
type Encoded = { runId: string; lane: string; args: (string | number)[] };
type Segment = { kind: Kind; items: Encoded[]; runs: Set<string> };
/** Where writes go now; null while there is no place for them. */
export type WriteTarget = {
  run(script: IndexScript, args: readonly (string | number)[]): Promise<unknown>;
  /** Of wake-ups. */
  channel: string;
  /** Names this process in the wake-ups that it causes. */
  sender: string;
};

export type WriteQueueDeps = {
  target(): WriteTarget | null;
  /** A script answered that the epoch is stale. */
  onStale(): void;
  /** Runs of these lanes were just sent: what is sent next on this connection finds them. */
  onOffered?(lanes: ReadonlySet<string>): void;
  log: Logger;
};

/** About 5 ms of Redis time a call. */
const ITEMS_PER_CALL = 500;
/** About 60 MB; beyond, the re-check and the audit find what was not delivered. */
const MAX_BUFFERED = 200_000;
const RETRY_MS = 200;
/** Replies that pass by themselves; any other error reply would come again, so its write is dropped and healed later. */
const TRANSIENT_REPLY = /^(OOM|LOADING|READONLY|MASTERDOWN|BUSY|TRYAGAIN|CLUSTERDOWN)/;
const CHANNEL_FIRST: ReadonlySet<Kind> = new Set<Kind>(["release", "remove"]);

export class IndexWriteQueue {
  private segments: Segment[] = [];
  private buffered = 0;
  private dropped = 0;
  private flushing = false;
  private scheduled = false;
  private attempt: { promise: Promise<void>; resolve: () => void } | null = null;
  private retryTimer: NodeJS.Timeout | undefined;

  constructor(private readonly deps: WriteQueueDeps) {}

  /** Resolves when the write was applied, or kept for later because Redis did not take it. Never rejects. */
  push(write: IndexWrite): Promise<void> {
    if (write.items.length === 0) return Promise.resolve();
    for (const item of encode(write)) this.add(write.kind, item);
    this.attempt ??= deferred();
    const { promise } = this.attempt;
    this.schedule();
    return promise;
  }

  /** There is a target again: deliver what waits. */
  resume(): void {
    clearTimeout(this.retryTimer);
    this.schedule();
  }

  /** Items that wait for delivery. */
  size(): number {
    return this.buffered;
  }

  /** Gives what waits one last chance, for a clean stop. */
  async stop(): Promise<void> {
    clearTimeout(this.retryTimer);
    await this.attempt?.promise;
    clearTimeout(this.retryTimer);
  }

  /** To the last segment of its kind, unless a later segment already writes the same run. */
  private add(kind: Kind, item: Encoded): void {
    if (this.buffered >= MAX_BUFFERED) return this.drop(1);
    this.buffered++;
    for (let at = this.segments.length - 1; at >= 0; at--) {
      const segment = this.segments[at];
      if (segment?.kind === kind) {
        segment.items.push(item);
        segment.runs.add(item.runId);
        return;
      }
      if (segment?.runs.has(item.runId)) break;
    }
    this.segments.push({ kind, items: [item], runs: new Set([item.runId]) });
  }

  private drop(items: number): void {
    if (this.dropped === 0) this.deps.log.error("queue_index.writes_dropped", { buffered: this.buffered });
    this.dropped += items;
  }

  private schedule(): void {
    if (this.scheduled || this.flushing) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      void this.flush();
    });
  }

  private async flush(): Promise<void> {
    const attempt = this.attempt;
    this.attempt = null;
    const target = this.deps.target();
    if (!target || this.segments.length === 0) {
      attempt?.resolve();
      return;
    }
    this.flushing = true;
    const sending = this.segments;
    this.segments = [];
    const sent = sending.map((segment) => this.send(target, segment));
    this.tellOffered(sending);
    const kept = (await Promise.all(sent)).filter((segment) => segment !== null);
    const delivered = count(sending) - count(kept);
    this.buffered -= delivered;
    this.segments = kept.concat(this.segments);
    this.flushing = false;
    attempt?.resolve();
    this.afterFlush(kept.length > 0);
  }

  private tellOffered(segments: readonly Segment[]): void {
    const offers = segments.filter((segment) => segment.kind === "enqueue");
    if (offers.length > 0) this.deps.onOffered?.(new Set(offers.flatMap((segment) => segment.items.map((item) => item.lane))));
  }

  private afterFlush(failed: boolean): void {
    if (failed) {
      this.retryTimer = setTimeout(() => this.schedule(), RETRY_MS);
    } else {
      if (this.dropped > 0) this.deps.log.warn("queue_index.writes_resumed", { dropped: this.dropped });
      this.dropped = 0;
      if (this.segments.length > 0) this.schedule();
    }
    if (this.attempt && failed) {
      // Callers that came during the failed flush must not wait for Redis to come back.
      this.attempt.resolve();
      this.attempt = null;
    }
  }

  /** Sends one segment; null when done, else what has to be sent again. */
  private async send(target: WriteTarget, segment: Segment): Promise<Segment | null> {
    const chunks: Encoded[][] = [];
    for (let at = 0; at < segment.items.length; at += ITEMS_PER_CALL) chunks.push(segment.items.slice(at, at + ITEMS_PER_CALL));
    const done = await Promise.all(chunks.map((chunk) => this.sendChunk(target, segment.kind, chunk)));
    const rest = chunks.filter((_, at) => !done[at]).flat();
    return rest.length === 0 ? null : { kind: segment.kind, items: rest, runs: new Set(rest.map((item) => item.runId)) };
  }

  private async sendChunk(target: WriteTarget, kind: Kind, items: Encoded[]): Promise<boolean> {
    const body = kind === "enqueue" ? groupByLane(items) : items.flatMap((item) => item.args);
    const args = kind === "enqueue" ? [target.channel, target.sender, ...body] : CHANNEL_FIRST.has(kind) ? [target.channel, ...body] : body;
    try {
      if ((await target.run(indexScripts[kind], args)) !== STALE) return true;
      this.deps.onStale();
      return false;
    } catch (error) {
      const isReply = error instanceof Error && error.name === "ReplyError";
      this.deps.log.warn("queue_index.write_failed", { kind, items: items.length, message: errorMessage(error) });
      if (!isReply || TRANSIENT_REPLY.test(errorMessage(error))) return false;
      this.drop(items.length);
      return true;
    }
  }
}

function encode(write: IndexWrite): Encoded[] {
  switch (write.kind) {
    case "enqueue":
      return write.items.map((item) => ({ runId: item.runId, lane: laneKey(item.lane), args: [item.runId, item.score] }));
    case "confirm":
      return write.items.map((item) => ({
        runId: item.runId,
        lane: "",
        args: [laneKey(item.lane), item.runId, item.seq, item.deadlineMs],
      }));
    case "release":
      return write.items.map((item) => ({
        runId: item.runId,
        lane: "",
        args: [item.lane.envId, item.runId, item.claim ?? "", item.seq ?? "", item.keepBeat ? "1" : "0"],
      }));
    case "remove":
      return write.items.map((item) => ({
        runId: item.runId,
        lane: "",
        args: [laneKey(item.lane), item.runId, item.claim ?? "", item.seq ?? ""],
      }));
    case "beat":
      return write.items.map((item) => ({ runId: item.runId, lane: "", args: [item.deadlineMs, item.runId] }));
    case "forget":
      return write.items.map((item) => ({ runId: item.runId, lane: "", args: [item.runId] }));
  }
}

function groupByLane(items: readonly Encoded[]): (string | number)[] {
  const lanes = new Map<string, (string | number)[]>();
  for (const item of items) {
    const lane = lanes.get(item.lane);
    if (lane) lane.push(...item.args);
    else lanes.set(item.lane, [...item.args]);
  }
  const out: (string | number)[] = [];
  for (const [lane, args] of lanes) out.push(lane, args.length / 2, ...args);
  return out;
}

function count(segments: readonly Segment[]): number {
  return segments.reduce((sum, segment) => sum + segment.items.length, 0);
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
