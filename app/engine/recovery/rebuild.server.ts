/**
 * Builds the index anew from the database. The order is what makes limits hold through it: the old epoch is refused by
 * Redis first, then by the database (which waits for every group in flight), and only then is anything read.
 */
import type { IndexedRun, EpochRow } from "../../runops/runStore";
import { errorMessage } from "../../platform/logger";
import { stallTimeoutMs } from "../queueIndex/slotRules";
import type { EpochDeps } from "./epoch.server";

const PAGE_ROWS = 5_000;
/** Rows carry the time of the clock of the process that wrote them, and clocks differ: the second pass looks this far behind its start. */
const SECOND_PASS_MARGIN_MS = 60_000;

/** Returns the new epoch, ready and adopted here. Throws when Redis or the database fails on the way: then it was not done. */
export async function rebuildIndex(deps: EpochDeps, before: EpochRow, redisRunId: string): Promise<number> {
  const { control, store, clock, log } = deps;
  const startedMs = clock.now();
  await control.retire(before.epoch);
  await store.announceRebuild(deps.owner);
  let epoch = before.epoch;
  try {
    ({ epoch } = await store.bumpEpoch(deps.owner, redisRunId));
    control.adopt(epoch, "waiting");
    await control.begin(epoch);
  } finally {
    // Groups go on in the new epoch while it is loaded: what they free is recorded there.
    await store.finishRebuild(epoch).catch((error: unknown) => {
      log.error("queue_index.announcement_stays", { epoch, message: errorMessage(error) });
      throw error;
    });
  }
  control.adopt(epoch, "building");
  await control.announce(epoch);
  const since = new Date(startedMs - SECOND_PASS_MARGIN_MS);
  const rows = await loadPages(deps, epoch, (after) => store.scanIndexed(after, PAGE_ROWS));
  const again = await loadPages(deps, epoch, (after) => store.indexedSince(since, after, PAGE_ROWS));
  await control.finish(epoch, since.getTime());
  control.adopt(epoch, "ready");
  await control.announce(epoch);
  log.info("queue_index.rebuilt", { epoch, rows, again, tookMs: clock.now() - startedMs });
  return epoch;
}

/** Reads the next page while Redis takes the one before. Returns the number of rows. */
async function loadPages(deps: EpochDeps, epoch: number, read: (after: string | null) => Promise<IndexedRun[]>): Promise<number> {
  const deadlineOf = (state: IndexedRun["state"]) => deps.clock.now() + stallTimeoutMs(state, deps.timeouts);
  let rows = 0;
  let page = await read(null);
  while (page.length > 0) {
    rows += page.length;
    const last = page.at(-1);
    const load = deps.control.load(epoch, page, deadlineOf);
    const next = page.length < PAGE_ROWS || !last ? Promise.resolve([]) : read(last.id);
    [page] = await Promise.all([next, load]);
  }
  return rows;
}
