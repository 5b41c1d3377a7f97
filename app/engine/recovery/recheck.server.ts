/**
 * Offers runs whose enqueue was lost: the process that created them died between commit and enqueue. How far it has come
 * is kept in the index itself, so processes share the work and a rebuilt index starts from its own scan.
 */
import type { Clock } from "../../platform/clock";
import { defineLoop, type Loop } from "../../platform/loop";
import type { Logger } from "../../platform/logger";
import type { RunStore } from "../../runops/runStore";
import { idMillis } from "../../utils/ids";
import type { QueueIndex } from "../queueIndex/queueIndex";
import type { IndexControl } from "../queueIndex/control";

export type RecheckDeps = {
  index: Pick<QueueIndex, "enqueue">;
  control: IndexControl;
  store: Pick<RunStore, "queuedCreatedBetween">;
  clock: Clock;
  log: Logger;
};

const RECHECK_EVERY_MS = 15_000;
/** Younger runs are still on their way. */
const SETTLED_MS = 5_000;
/** A run is created up to this long after the time in its id: it waited for its statement, or its process's clock is behind. */
const OVERLAP_MS = 10_000;
/** Where a fresh mark starts: an index without one was built by an older release or by hand. */
const FIRST_WINDOW_MS = 10 * 60_000;
const PAGE_ROWS = 5_000;
const PAGES_PER_PASS = 40;

/** Builds the stopped loop. */
export function createRecheckLoop(deps: RecheckDeps): Loop {
  return defineLoop({
    name: "queue-index-recheck",
    everyMs: RECHECK_EVERY_MS,
    log: deps.log,
    run: async () => ((await recheck(deps)) ? 0 : RECHECK_EVERY_MS),
  });
}

/** One pass; true when more pages wait. */
async function recheck(deps: RecheckDeps): Promise<boolean> {
  const { control, clock } = deps;
  if (control.adopted()?.mode !== "ready") return false;
  const until = clock.now() - SETTLED_MS;
  const mark = (await control.readMark("recheck")) ?? until - FIRST_WINDOW_MS;
  // Another process has just been here.
  if (until - mark < RECHECK_EVERY_MS / 2) return false;
  let from = mark - OVERLAP_MS;
  for (let page = 0; page < PAGES_PER_PASS; page++) {
    const runs = await deps.store.queuedCreatedBetween(new Date(from), new Date(until), PAGE_ROWS);
    await deps.index.enqueue(runs.map((run) => ({ runId: run.id, lane: run.lane, score: run.score })));
    const lastMs = runs.length < PAGE_ROWS ? null : idMillis(runs.at(-1)?.id ?? "");
    if (lastMs === null) {
      await control.writeMark("recheck", until);
      return false;
    }
    // A page of one millisecond cannot be cut by time; more of them than a page holds are left to the sweep.
    from = Math.max(lastMs, from + 1);
  }
  await control.writeMark("recheck", from + OVERLAP_MS);
  return true;
}
