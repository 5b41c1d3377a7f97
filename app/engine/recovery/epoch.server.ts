/**
 * Which epoch of the index is in force. The database row names it and the Redis server it was built in; when that server
 * has lost or rolled back its data, or another process has moved on, this finds out, rebuilds if nobody else does, and
 * tells the index. One process rebuilds at a time; the others wait for it and adopt the result.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../platform/clock";
import { errorMessage, type Logger } from "../../platform/logger";
import type { EpochRow, RunStore } from "../../runops/runStore";
import type { IndexControl } from "../queueIndex/control";
import type { StallTimeouts } from "../queueIndex/slotRules";
import { rebuildIndex } from "./rebuild.server";

export type EpochStore = Pick<
  RunStore,
  "readEpoch" | "announceRebuild" | "bumpEpoch" | "finishRebuild" | "withLock" | "scanIndexed" | "indexedSince"
>;

export type EpochDeps = {
  control: IndexControl;
  store: EpochStore;
  clock: Clock;
  log: Logger;
  timeouts: StallTimeouts;
  /** Name of this process in the announcement. */
  owner: string;
};

export type EpochKeeper = {
  /** Resolves when takes may go on: the index is ready and adopted. Rejects only after `stop`. Concurrent calls share one look. */
  ensureReady(): Promise<void>;
  /** Rebuilds into a new epoch although the present one looks well; for operators and tests. */
  rebuild(): Promise<void>;
  start(): void;
  stop(): Promise<void>;
};

const REBUILD_LOCK = "queue-index-rebuild";
const WAIT_FOR_OTHER_MS = 50;
const WAIT_FOR_STORE_MS = 250;
const WAIT_FOR_REDIS_MS = 1_000;

/** Builds a stopped keeper. */
export function createEpochKeeper(deps: EpochDeps): EpochKeeper {
  return new PostgresEpochKeeper(deps);
}

class PostgresEpochKeeper implements EpochKeeper {
  private looking: Promise<void> | null = null;
  private lookAgain = false;
  private isStopped = false;
  private unsubscribe: () => void = () => undefined;
  private cleaning: Promise<void> = Promise.resolve();
  private readonly stopping = new AbortController();

  constructor(private readonly deps: EpochDeps) {}

  start(): void {
    this.unsubscribe = this.deps.control.onSuspect(() => {
      this.ensureReady().catch((error: unknown) => this.deps.log.debug("queue_index.look_ended", { message: errorMessage(error) }));
    });
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.unsubscribe();
    this.stopping.abort();
    await this.looking?.catch(() => undefined);
    await this.cleaning;
  }

  ensureReady(): Promise<void> {
    // News that arrives during a look may be newer than what the look has read.
    this.lookAgain = this.looking !== null;
    this.looking ??= this.lookUntilReady().finally(() => {
      this.looking = null;
      if (this.lookAgain && !this.isStopped) void this.ensureReady().catch(() => undefined);
    });
    return this.looking;
  }

  async rebuild(): Promise<void> {
    const redisRunId = await this.redisRunId();
    const done = await this.deps.store.withLock(REBUILD_LOCK, async () => {
      await this.build(await this.deps.store.readEpoch(), redisRunId);
      return true;
    });
    if (done === null) await this.ensureReady();
  }

  private async lookUntilReady(): Promise<void> {
    while (!this.isStopped) {
      let waitMs = WAIT_FOR_STORE_MS;
      try {
        if (await this.look()) return;
        waitMs = WAIT_FOR_OTHER_MS;
      } catch (error) {
        this.deps.log.warn("queue_index.not_ready", { message: errorMessage(error) });
      }
      await sleep(waitMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
    throw new Error("Recovery was stopped before the queue index was ready.");
  }

  /** True when the index is ready and adopted. */
  private async look(): Promise<boolean> {
    const redisRunId = await this.redisRunId();
    if (await this.adoptIfBuilt(redisRunId)) return true;
    await this.deps.store.withLock(REBUILD_LOCK, async () => {
      // Another process may have finished while the lock was asked for.
      if (await this.adoptIfBuilt(redisRunId)) return;
      await this.build(await this.deps.store.readEpoch(), redisRunId);
    });
    return this.adoptIfBuilt(redisRunId);
  }

  private async adoptIfBuilt(redisRunId: string): Promise<boolean> {
    const { control, store } = this.deps;
    const row = await store.readEpoch();
    const isSameServer = row.redisRunId === redisRunId;
    const state = isSameServer ? await control.stateOf(row.epoch) : "absent";
    const before = control.adopted();
    const mode = state === "absent" ? "waiting" : state;
    if (before?.epoch !== row.epoch || before.mode !== mode) control.adopt(row.epoch, mode);
    return state === "ready";
  }

  private async build(row: EpochRow, redisRunId: string): Promise<void> {
    const { control, log } = this.deps;
    const epoch = await rebuildIndex(this.deps, row, redisRunId);
    log.info("queue_index.ready", { epoch });
    this.cleaning = control.unlinkOthers(epoch, this.stopping.signal).catch((error: unknown) => {
      log.warn("queue_index.unlink_failed", { epoch, message: errorMessage(error) });
    });
  }

  private async redisRunId(): Promise<string> {
    const runId = await this.deps.control.redisRunId(WAIT_FOR_REDIS_MS);
    if (runId === null) throw new Error("The Redis of the queue index is not reachable.");
    return runId;
  }
}
