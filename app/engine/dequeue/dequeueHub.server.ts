/**
 * Held polls for work, answered within milliseconds of a run becoming available. Per region one or two rounds run at a
 * time: claims are taken for all waiting polls at once, committed as one group, and given to the polls that they were
 * committed for. A poll of a dev session gets runs for its own worker version only.
 */
import { setMaxListeners } from "node:events";
import { errorMessage, type Logger } from "../../platform/logger";
import type { Counters } from "../counters";
import type { HandOverService, HandOverTarget, HandedRun } from "./handOver.server";
import type { Claim, QueueIndex } from "../queueIndex/queueIndex";

/** A second round overlaps the commit of the first. */
const ROUNDS_AT_ONCE = 2;
/** Wake-ups travel over pub/sub and may be lost; waiting polls look again this often. */
const RECHECK_MS = 1_000;

export type Poll = {
  /** Where the runs are handed out: an environment's id in dev, else the name of a region. */
  region: string;
  target: HandOverTarget;
  signal: AbortSignal;
  /** Milliseconds to hold it; absent: as long as the hub holds polls. */
  holdMs?: number;
};

type Waiter = Poll & { answer(run: HandedRun | null): void; settled: boolean; busy: boolean; leaving: boolean };
type Region = { waiters: Set<Waiter>; rounds: number; again: boolean };

type HubDeps = {
  index: Pick<QueueIndex, "take" | "onWake">;
  handOver: HandOverService;
  log: Logger;
  counters: Counters;
  now: () => number;
  /** Milliseconds that a poll is held. */
  holdMs: number;
};

export class DequeueHub {
  private readonly regions = new Map<string, Region>();
  private unsubscribe: (() => void) | undefined;
  private recheck: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(private readonly deps: HubDeps) {}

  start(): void {
    this.stopped = false;
    this.unsubscribe ??= this.deps.index.onWake((region) => this.wake(region));
    this.recheck ??= setInterval(() => this.wakeAll(), RECHECK_MS);
  }

  /** Answers every held poll empty; rounds in flight still deliver or undo what they took. */
  stop(): void {
    this.stopped = true;
    this.unsubscribe?.();
    this.unsubscribe = undefined;
    clearInterval(this.recheck);
    this.recheck = undefined;
    for (const name of this.regions.keys()) this.answerEmpty(name);
  }

  /** Resolves with a run, or null after the hold, on `answerEmpty`, or when the connection closes. `onLeave` gets a way to end it early. */
  poll(poll: Poll, onLeave?: (leave: () => void) => void): Promise<HandedRun | null> {
    if (this.stopped || poll.signal.aborted) return Promise.resolve(null);
    this.deps.counters.count("polls");
    return new Promise((resolve) => {
      const region = this.region(poll.region);
      const waiter: Waiter = { ...poll, settled: false, busy: false, leaving: false, answer: () => undefined };
      const leave = () => waiter.answer(null);
      const timer = setTimeout(() => this.release(waiter), poll.holdMs ?? this.deps.holdMs);
      onLeave?.(() => this.release(waiter));
      waiter.answer = (run) => {
        if (waiter.settled) return;
        waiter.settled = true;
        clearTimeout(timer);
        poll.signal.removeEventListener("abort", leave);
        region.waiters.delete(waiter);
        resolve(run);
      };
      poll.signal.addEventListener("abort", leave, { once: true });
      region.waiters.add(waiter);
      this.wake(poll.region);
    });
  }

  /** As `poll`, with up to `count` runs: what is there is answered as soon as there is any. */
  async pollMany(poll: Poll, count: number): Promise<HandedRun[]> {
    const leave: (() => void)[] = [];
    const group = new AbortController();
    setMaxListeners(count, group.signal);
    const abort = () => group.abort();
    if (poll.signal.aborted) abort();
    poll.signal.addEventListener("abort", abort, { once: true });
    const polls = Array.from({ length: count }, () => this.poll({ ...poll, signal: group.signal }, (one) => leave.push(one)));
    for (const one of polls) {
      // Those whose run is being committed this instant stay for it.
      void one.then((run) => run && leave.forEach((each) => each()));
    }
    const runs = await Promise.all(polls);
    poll.signal.removeEventListener("abort", abort);
    return runs.filter((run) => run !== null);
  }

  /** Answers the held polls of a region now: their worker version is not the newest any more, or their key was revoked. */
  answerEmpty(regionName: string): void {
    for (const waiter of [...(this.regions.get(regionName)?.waiters ?? [])]) this.release(waiter);
  }

  /** Polls held at this moment. */
  get waiting(): number {
    let count = 0;
    for (const region of this.regions.values()) count += region.waiters.size;
    return count;
  }

  /** A poll whose run is being committed this instant is left to get it. */
  private release(waiter: Waiter): void {
    if (waiter.busy) waiter.leaving = true;
    else waiter.answer(null);
  }

  private region(name: string): Region {
    let region = this.regions.get(name);
    if (!region) {
      region = { waiters: new Set(), rounds: 0, again: false };
      this.regions.set(name, region);
    }
    return region;
  }

  private wakeAll(): void {
    for (const [name, region] of this.regions) {
      if (region.waiters.size > 0) this.wake(name);
      else if (region.rounds === 0) this.regions.delete(name);
    }
  }

  private wake(name: string): void {
    const region = this.regions.get(name);
    if (!region || region.waiters.size === 0) return;
    if (region.rounds >= ROUNDS_AT_ONCE) {
      region.again = true;
      return;
    }
    region.rounds++;
    void this.rounds(name, region).finally(() => {
      region.rounds--;
      if (region.again && region.waiters.size > 0) this.wake(name);
    });
  }

  private async rounds(name: string, region: Region): Promise<void> {
    try {
      do region.again = false;
      while ((await this.round(name, region)) || region.again);
    } catch (error) {
      this.deps.log.warn("dequeue.round_failed", { region: name, message: errorMessage(error) });
    }
  }

  /** True when as much was available as was asked for: there may be more. */
  private async round(name: string, region: Region): Promise<boolean> {
    const waiters = [...region.waiters].filter((waiter) => !waiter.busy);
    if (waiters.length === 0) return false;
    for (const waiter of waiters) waiter.busy = true;
    let claims: Claim[] = [];
    try {
      claims = await this.deps.index.take(name, waiters.length, this.deps.now());
    } finally {
      for (const waiter of waiters.slice(claims.length)) this.setFree(waiter);
    }
    await Promise.all(claims.map((claim, at) => this.serve(claim, waiters[at])));
    return claims.length === waiters.length;
  }

  private async serve(claim: Claim, waiter: Waiter | undefined): Promise<void> {
    if (!waiter) return this.deps.handOver.giveBack(claim);
    try {
      const handed = await this.deps.handOver.call(claim, waiter.target);
      if (handed.kind === "run") await this.deliver(handed.run, waiter);
      // Asking again at once would meet the same run.
      if (handed.kind === "other-version" || handed.kind === "too-large") waiter.answer(null);
    } catch (error) {
      // The outcome is unknown: the claim lease or the start deadline settles the run.
      this.deps.log.warn("dequeue.failed", { runId: claim.runId, message: errorMessage(error) });
      waiter.answer(null);
    }
    this.setFree(waiter);
  }

  private async deliver(run: HandedRun, waiter: Waiter): Promise<void> {
    this.deps.counters.count(waiter.settled ? "hand_over_undone" : "handed_out");
    if (waiter.settled) await this.deps.handOver.undo(run);
    else waiter.answer(run);
  }

  private setFree(waiter: Waiter): void {
    waiter.busy = false;
    if (waiter.leaving) waiter.answer(null);
  }
}
