/** Everything that keeps the queue index equal to the database: epochs, re-check, audit, sweep and the stall scan. */
import { randomBytes } from "node:crypto";
import os from "node:os";
import type { Clock } from "../../platform/clock";
import { defineLoop, type Loop } from "../../platform/loop";
import type { Logger } from "../../platform/logger";
import type { RunStore } from "../../runops/runStore";
import type { QueueIndexDriver } from "../queueIndex/queueIndex.server";
import type { StallTimeouts } from "../queueIndex/slotRules";
import { createAuditLoop } from "./audit.server";
import { createEpochKeeper, type EpochStore } from "./epoch.server";
import { createRecheckLoop } from "./recheck.server";
import { createStallLoop } from "./stalls.server";
import { createSweepLoop } from "./sweep.server";

export type RecoveryDeps = {
  index: QueueIndexDriver;
  store: EpochStore & Pick<RunStore, "getLive" | "queuedCreatedBetween">;
  clock: Clock;
  log: Logger;
  /** The engine's handler of runs in progress that were silent too long. */
  onOverdue(runIds: readonly string[]): Promise<void>;
  /** The engine's own timeouts: a rebuilt index gives every run a fresh one. */
  timeouts: StallTimeouts;
  /** Default 10 minutes. */
  sweepEveryMs?: number;
};

export type Recovery = {
  /** Loops begin; resolves at once. The index takes work as soon as an epoch is ready (`ensureReady`). */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Resolves when the index is ready. Waits for Redis and Postgres as long as they take; rejects after `stop`. */
  ensureReady(): Promise<void>;
  /** Rebuilds the index into a new epoch now. */
  rebuild(): Promise<void>;
  /** The loops, for tests that drive them by `runOnce`. */
  readonly loops: { watch: Loop; recheck: Loop; audit: Loop; stalls: Loop; sweep: Loop };
};

/** One Redis command a second notices a lost index even when no work comes. */
const WATCH_EVERY_MS = 1_000;

/** Builds stopped recovery for a started index. */
export function createRecovery(deps: RecoveryDeps): Recovery {
  const { index, store, clock, log, timeouts } = deps;
  const { control } = index;
  const owner = `${os.hostname()}-${process.pid}-${randomBytes(3).toString("hex")}`;
  const epochs = createEpochKeeper({ control, store, clock, log, timeouts, owner });
  const loops = {
    watch: defineLoop({
      name: "queue-index-watch",
      everyMs: WATCH_EVERY_MS,
      log,
      run: async () => {
        const adopted = control.adopted();
        if (adopted?.mode !== "ready" || (await control.stateOf(adopted.epoch)) !== "ready") await epochs.ensureReady();
      },
    }),
    recheck: createRecheckLoop({ index, control, store, clock, log }),
    audit: createAuditLoop({ index, control, store, clock, log, timeouts }),
    stalls: createStallLoop({ index, control, store, clock, log, timeouts, onOverdue: deps.onOverdue }),
    sweep: createSweepLoop({
      index,
      control,
      store,
      clock,
      log,
      timeouts,
      ...(deps.sweepEveryMs === undefined ? {} : { everyMs: deps.sweepEveryMs }),
    }),
  };
  return {
    loops,
    ensureReady: () => epochs.ensureReady(),
    rebuild: () => epochs.rebuild(),
    async start() {
      epochs.start();
      for (const loop of Object.values(loops)) loop.start();
    },
    async stop() {
      // The keeper first: the watch loop may be waiting for it.
      await epochs.stop();
      await Promise.all(Object.values(loops).map((loop) => loop.stop()));
    },
  };
}
