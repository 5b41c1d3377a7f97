/** Pages of runs. The walk grows until the page is full, and ends at 20,000 rows with what it found and a cursor. */
import { loadScript } from "../../platform/scripts.server";
import { AppError } from "../../utils/appError";
import { idMillis } from "../../utils/ids";
import { isFinal, RUN_STATUSES } from "../runStates";
import type { RunFilter, RunListItem, RunPage } from "../runStore";
import type { RunDatabase } from "./database.server";
import { readItems } from "./details.server";

const BY_TIME = loadScript("runops/sql/lists/list-by-time.sql");
const BY_STATUS = loadScript("runops/sql/lists/list-by-status.sql");
const BY_INDEX = loadScript("runops/sql/lists/list-by-index.sql");

/** Rows that one request may look at. */
const SCAN_LIMIT = 20_000;
const FIRST_WINDOW = 500;
const WINDOW_GROWTH = 8;

type Cursor = { id: string; createdAt: Date } | null;
type Walk = { filter: RunFilter; older: boolean };
type Matches = { ids: string[]; scanned: number; lastId: string | null };

/** A page of the runs of one environment. Throws an `AppError` on a cursor that is no id. */
export async function listRuns(db: RunDatabase, filter: RunFilter): Promise<RunPage> {
  const older = filter.before === undefined;
  const start = cursorOf(filter);
  const found = await search(db, { filter, older }, start);
  const ids = found.ids.slice(0, filter.pageSize);
  const items = await readItems(db, filter.envId, ids);
  const runs = ids.map((id) => items.get(id)).filter((item): item is RunListItem => item !== undefined);
  // Where the walk goes on: after the last match of a full page, else after the last row looked at.
  const onward = found.ids.length > filter.pageSize ? (ids.at(-1) ?? null) : found.resumeAt;
  const back = start ? (ids[0] ?? start.id) : null;
  return older ? { runs, next: onward, previous: back } : { runs: runs.reverse(), next: back, previous: onward };
}

/** Direct children, oldest first. */
export async function readChildren(db: RunDatabase, envId: string, id: string, limit: number): Promise<RunListItem[]> {
  const rows = await db.query<{ id: string }>(
    "SELECT id FROM run_ops.run WHERE parent_id = $1 AND env_id = $2 ORDER BY created_at, id LIMIT $3",
    [id, envId, limit],
    "children"
  );
  const items = await readItems(
    db,
    envId,
    rows.map((row) => row.id)
  );
  return rows.map((row) => items.get(row.id)).filter((item): item is RunListItem => item !== undefined);
}

async function search(db: RunDatabase, walk: Walk, start: Cursor): Promise<{ ids: string[]; resumeAt: string | null }> {
  if (hasIndexedFilter(walk.filter)) {
    const found = await run(db, BY_INDEX, { walk, cursor: start, window: SCAN_LIMIT + 1, wanted: walk.filter.pageSize + 1 });
    if (found.scanned <= SCAN_LIMIT) return { ids: found.ids, resumeAt: null };
  }
  return walkWindows(db, onlyFinal(walk.filter) ? BY_STATUS : BY_TIME, walk, start);
}

async function walkWindows(db: RunDatabase, sql: string, walk: Walk, start: Cursor): Promise<{ ids: string[]; resumeAt: string | null }> {
  const wanted = walk.filter.pageSize + 1;
  const ids: string[] = [];
  let cursor = start;
  let budget = SCAN_LIMIT;
  for (let window = FIRST_WINDOW; ; window *= WINDOW_GROWTH) {
    const size = Math.min(window, budget);
    const found = await run(db, sql, { walk, cursor, window: size, wanted: wanted - ids.length });
    ids.push(...found.ids);
    budget -= found.scanned;
    if (ids.length >= wanted || found.scanned < size) return { ids, resumeAt: null };
    if (budget <= 0 || found.lastId === null) return { ids, resumeAt: found.lastId };
    cursor = { id: found.lastId, createdAt: new Date(idMillis(found.lastId) ?? 0) };
  }
}

type Step = { walk: Walk; cursor: Cursor; window: number; wanted: number };

async function run(db: RunDatabase, sql: string, step: Step): Promise<Matches> {
  const { filter, older } = step.walk;
  // Unnamed on purpose: planned with these values, so that absent filters cost nothing and old partitions are left out.
  const rows = await db.query<{ id: string | null; scanned: number; last_id: string | null }>(sql, [
    filter.envId,
    isoOrNull(step.cursor?.createdAt),
    step.cursor?.id ?? null,
    older,
    isoOrNull(filter.createdFrom),
    isoOrNull(filter.createdTo),
    step.window,
    step.wanted,
    ...filterValues(filter),
  ]);
  const ids = rows.map((row) => row.id).filter((id) => id !== null);
  return { ids, scanned: rows[0]?.scanned ?? 0, lastId: rows[0]?.last_id ?? null };
}

/** Values $9 to $20 of the list statements. */
function filterValues(filter: RunFilter): unknown[] {
  const lists = [filter.tasks, filter.queues, filter.regions, filter.tags].map(orNull);
  const single = [filter.isTest, filter.rootOnly ?? false, filter.batchId, filter.scheduleId, filter.parentId].map(
    (value) => value ?? null
  );
  const statuses = orNull(filter.statuses?.map((status) => RUN_STATUSES[status]));
  return [...lists, ...single, statuses, orNull(filter.versionIds), orNull(filter.machines)];
}

function cursorOf(filter: RunFilter): Cursor {
  const id = filter.before ?? filter.after;
  if (id === undefined) return null;
  const ms = idMillis(id);
  if (ms === null) throw new AppError("invalid_cursor", 400, `"${id}" is not a cursor: pass a run id from a page's "next" or "previous".`);
  return { id, createdAt: new Date(ms) };
}

function hasIndexedFilter(filter: RunFilter): boolean {
  return (filter.tags?.length ?? 0) > 0 || filter.batchId !== undefined || filter.scheduleId !== undefined || filter.parentId !== undefined;
}

function onlyFinal(filter: RunFilter): boolean {
  return filter.statuses !== undefined && filter.statuses.length > 0 && filter.statuses.every(isFinal);
}

function isoOrNull(time: Date | undefined): string | null {
  return time ? time.toISOString() : null;
}

function orNull<T>(values: readonly T[] | undefined): readonly T[] | null {
  return values && values.length > 0 ? values : null;
}
