/**
 * Heartbeats touch Redis only: beats of 200 ms become one call, and a beat for an attempt that this process has seen lately
 * needs no read. A beat that quotes an earlier attempt is accepted and changes nothing.
 */
import type { LiveRun, RunStore } from "../../runops/runStore";
import type { Clock } from "../../platform/clock";
import type { Beat, IndexWriter } from "../queueIndex/indexWriter.server";
import { LruMap } from "../lruMap";
import { runNotFound, type RunHeaders } from "../dequeue/runHeaders.server";
import type { WorkerCall } from "../types";
import { parseCall } from "../workers/workerCall";

const COLLECT_MS = 200;
const MAX_KNOWN = 20_000;
/** Another process may have ended the attempt since: what was seen is trusted for two beats of a worker. */
const TRUST_MS = 60_000;

type Known = { envId: string; attemptSeq: number; seenAt: number };

type HeartbeatDeps = {
  store: Pick<RunStore, "getLive">;
  headers: RunHeaders;
  index: IndexWriter;
  clock: Clock;
  timeoutMs: number;
};

export class Heartbeats {
  private readonly known = new LruMap<string, Known>(MAX_KNOWN);
  private readonly pending = new Map<string, Beat>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly deps: HeartbeatDeps) {}

  /** Body of `heartbeat`. Throws AppError 404 for a run of nobody or of another environment. */
  async call(call: WorkerCall): Promise<{ ok: true }> {
    const { runId, seq } = parseCall(call);
    const attemptSeq = await this.attemptSeqOf(call.env.id, runId);
    if (attemptSeq !== null && seq >= attemptSeq) this.beat(runId);
    return { ok: true };
  }

  /** An attempt started: its deadline is a heartbeat timeout away from now on. */
  started(live: LiveRun): void {
    this.know(live);
    this.beat(live.id);
  }

  /** The attempt ended: beats for it mean nothing any more. */
  ended(runId: string): void {
    this.known.delete(runId);
    this.pending.delete(runId);
  }

  /** Sends what is collected. */
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const beats = [...this.pending.values()];
    this.pending.clear();
    await Promise.all(beats.map((beat) => this.deps.index.beat(beat)));
  }

  private beat(runId: string): void {
    this.pending.set(runId, { runId, deadlineMs: this.deps.clock.now() + this.deps.timeoutMs });
    this.timer ??= setTimeout(() => void this.flush(), COLLECT_MS);
  }

  private know(live: LiveRun): void {
    if (live.attemptSeq === null) return;
    this.known.set(live.id, { envId: live.envId, attemptSeq: live.attemptSeq, seenAt: this.deps.clock.now() });
  }

  /** First seq of the running attempt; null when there is none. */
  private async attemptSeqOf(envId: string, runId: string): Promise<number | null> {
    const known = this.known.get(runId);
    if (known && this.deps.clock.now() - known.seenAt < TRUST_MS) {
      if (known.envId !== envId) throw runNotFound();
      return known.attemptSeq;
    }
    const live = (await this.deps.store.getLive([runId])).get(runId);
    if (!live || live.envId !== envId) {
      await this.deps.headers.require(envId, runId);
      return null;
    }
    this.know(live);
    return isRunning(live) ? live.attemptSeq : null;
  }
}

function isRunning(live: LiveRun): boolean {
  return live.state === "EXECUTING" || live.state === "EXECUTING_WITH_WAITPOINTS" || live.state === "QUEUED_EXECUTING";
}
