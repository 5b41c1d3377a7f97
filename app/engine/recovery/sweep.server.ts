/**
 * The slow, complete comparison of index and database, every ten minutes by one process: finds what no quicker check can
 * see (a re-queued run whose enqueue was lost, a slot lost together with its deadline, entries of runs that are not
 * queued). Throttled, because nobody waits for it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../platform/clock";
import { defineLoop, type Loop } from "../../platform/loop";
import type { Logger } from "../../platform/logger";
import type { IndexedRun, RunStore } from "../../runops/runStore";
import type { QueueIndex } from "../queueIndex/queueIndex";
import type { IndexControl } from "../queueIndex/control";
import { holdsSlot, stallTimeoutMs, type StallTimeouts } from "../queueIndex/slotRules";

export type SweepDeps = {
  index: Pick<QueueIndex, "enqueue" | "remove" | "confirm">;
  control: IndexControl;
  store: Pick<RunStore, "scanIndexed" | "getLive" | "withLock">;
  clock: Clock;
  log: Logger;
  timeouts: StallTimeouts;
  /** Default 10 minutes. */
  everyMs?: number;
};

const EVERY_MS = 10 * 60_000;
const PAGE_ROWS = 5_000;
const PAUSE_MS = 20;
const IDS_PER_QUERY = 1_000;

/** Builds the stopped loop. The first sweep comes one period after the index was built. */
export function createSweepLoop(deps: SweepDeps): Loop {
  const everyMs = deps.everyMs ?? EVERY_MS;
  return defineLoop({
    name: "queue-index-sweep",
    everyMs: Math.min(everyMs, 60_000),
    log: deps.log,
    run: async (signal) => {
      if (deps.control.adopted()?.mode !== "ready") return;
      const last = await deps.control.readMark("sweep");
      if (last === null) return deps.control.writeMark("sweep", deps.clock.now());
      if (deps.clock.now() - last < everyMs) return;
      await deps.store.withLock("queue-index-sweep", async () => {
        await deps.control.writeMark("sweep", deps.clock.now());
        const added = await sweepRows(deps, signal);
        const removed = await sweepLanes(deps, signal);
        deps.log.info("queue_index.swept", { ...added, removed });
      });
    },
  });
}

/** Rows of the database that the index lacks. */
async function sweepRows(deps: SweepDeps, signal: AbortSignal): Promise<{ rows: number; slots: number }> {
  let after: string | null = null;
  let rows = 0;
  let slots = 0;
  while (!signal.aborted) {
    const page: IndexedRun[] = await deps.store.scanIndexed(after, PAGE_ROWS);
    rows += page.length;
    const queued = page.filter((run) => run.state === "QUEUED");
    await deps.index.enqueue(queued.map((run) => ({ runId: run.id, lane: run.lane, score: run.score })));
    slots += await addMissingSlots(deps, page);
    after = page.at(-1)?.id ?? null;
    if (page.length < PAGE_ROWS || after === null) break;
    await sleep(PAUSE_MS);
  }
  return { rows, slots };
}

async function addMissingSlots(deps: SweepDeps, page: readonly IndexedRun[]): Promise<number> {
  const holding = page.filter((run) => holdsSlot(run.state)).map((run) => ({ runId: run.id, envId: run.lane.envId }));
  const held = await deps.control.holders(holding);
  const missing = holding.filter((run) => !held.has(run.runId)).map((run) => run.runId);
  if (missing.length === 0) return 0;
  // Read again: a run that has ended since has no slot by right.
  const live = [...(await deps.store.getLive(missing)).values()].filter((run) => holdsSlot(run.state));
  await deps.index.confirm(
    live.map((run) => ({
      runId: run.id,
      lane: run.lane,
      seq: run.seq,
      deadlineMs: deps.clock.now() + stallTimeoutMs(run.state, deps.timeouts),
    }))
  );
  return live.length;
}

/** Entries of lanes whose run is not queued. */
async function sweepLanes(deps: SweepDeps, signal: AbortSignal): Promise<number> {
  let removed = 0;
  for await (const { lane, runIds } of deps.control.laneEntries(signal)) {
    for (let at = 0; at < runIds.length; at += IDS_PER_QUERY) {
      const page = runIds.slice(at, at + IDS_PER_QUERY);
      const live = await deps.store.getLive(page);
      const extra = page.filter((id) => live.get(id)?.state !== "QUEUED");
      if (extra.length === 0) continue;
      await deps.index.remove(extra.map((runId) => ({ runId, lane })));
      removed += extra.length;
      // One that was queued again between the two looks is put back.
      const again = [...(await deps.store.getLive(extra)).values()].filter((run) => run.state === "QUEUED");
      await deps.index.enqueue(again.map((run) => ({ runId: run.id, lane: run.lane, score: run.score })));
      await sleep(PAUSE_MS);
    }
  }
  return removed;
}
