/** Reads of the live table by time or by id, for timers, versions and the queue index. */
import { loadScript } from "../../platform/scripts.server";
import { idBounds } from "../idBounds";
import { stateName } from "../runStates";
import type { DueRun, IndexedRun } from "../runStore";
import type { RunDatabase } from "./database.server";
import { toLiveRun, toOptions, type LiveRow } from "./rows";

const DUE = loadScript("runops/sql/lists/due-runs.sql");
const PARKED = loadScript("runops/sql/lists/parked-runs.sql");
const QUEUED_IN_REGION = loadScript("runops/sql/lists/queued-in-region.sql");
const VERSIONS_IN_USE = loadScript("runops/sql/reads/versions-in-use.sql");
const INDEXED = loadScript("runops/sql/lists/indexed-runs.sql");
const QUEUED_BETWEEN = loadScript("runops/sql/lists/queued-between.sql");

type DueRow = LiveRow & { options: string };
type IndexedRow = {
  id: string;
  env_id: string;
  queue: string;
  ck: string | null;
  region: string;
  score: number;
  state: number;
  seq: number;
  updated_at: Date;
};

/** Live runs with `due_at` in (after, until], oldest first. */
export async function readDue(db: RunDatabase, after: Date, until: Date, limit: number): Promise<DueRun[]> {
  return (await db.query<DueRow>(DUE, [after.toISOString(), until.toISOString(), limit], "due-runs")).map(toDueRun);
}

/** The earliest `due_at` later than `after`, or null. */
export async function readNextDue(db: RunDatabase, after: Date): Promise<Date | null> {
  const [row] = await db.query<{ due_at: Date }>(
    "SELECT due_at FROM run_ops.run_live WHERE due_at > $1 ORDER BY due_at LIMIT 1",
    [after.toISOString()],
    "next-due"
  );
  return row?.due_at ?? null;
}

/** PENDING_VERSION runs of an environment, oldest first. */
export async function readParked(db: RunDatabase, envId: string, after: string | null, limit: number): Promise<DueRun[]> {
  return (await db.query<DueRow>(PARKED, [envId, after ?? "", limit], "parked-runs")).map(toDueRun);
}

/** QUEUED runs of a region, in id order. */
export async function readQueuedInRegion(db: RunDatabase, region: string, after: string | null, limit: number): Promise<DueRun[]> {
  return (await db.query<DueRow>(QUEUED_IN_REGION, [region, after ?? "", limit])).map(toDueRun);
}

/** Those of the versions that a live run is locked to, or that a run which ended after `since` had. */
export async function readVersionsInUse(db: RunDatabase, versionIds: readonly string[], since: Date | null): Promise<Set<string>> {
  if (versionIds.length === 0) return new Set();
  const rows = await db.query<{ version_id: string }>(VERSIONS_IN_USE, [[...versionIds], since?.toISOString() ?? null]);
  return new Set(rows.map((row) => row.version_id));
}

/** Live rows in id order; with `since`, only those changed since then. */
export async function readIndexed(db: RunDatabase, since: Date | null, afterId: string | null, limit: number): Promise<IndexedRun[]> {
  const rows = await db.query<IndexedRow>(INDEXED, [afterId ?? "", limit, since?.toISOString() ?? null]);
  return rows.map(toIndexedRun);
}

/** QUEUED rows created in [from, to), by the time inside their ids. */
export async function readQueuedBetween(db: RunDatabase, from: Date, to: Date, limit: number): Promise<IndexedRun[]> {
  const values = [...idBounds(from), ...idBounds(to), limit];
  return (await db.query<IndexedRow>(QUEUED_BETWEEN, values, "queued-between")).map(toIndexedRun);
}

function toDueRun(row: DueRow): DueRun {
  return { ...toLiveRun(row), options: toOptions(row.options) };
}

function toIndexedRun(row: IndexedRow): IndexedRun {
  return {
    id: row.id,
    lane: { envId: row.env_id, queue: row.queue, concurrencyKey: row.ck, region: row.region },
    score: row.score,
    state: stateName(row.state),
    seq: row.seq,
    updatedAt: row.updated_at,
  };
}
