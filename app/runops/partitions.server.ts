/**
 * Partitions of `run` and `run_result`: made three periods ahead, dropped whole after the retention. The default
 * partition takes what falls outside, so an insert never fails for want of one.
 */
import type { Clock } from "../platform/clock";
import { inTransaction, type Pool, type PoolClient } from "../platform/db.server";
import { errorMessage, type Logger } from "../platform/logger";
import { defineLoop, type Loop } from "../platform/loop";
import { loadScript } from "../platform/scripts.server";
import { idBounds } from "./idBounds";
import type { RunStore } from "./runStore";

const LIST = loadScript("runops/sql/sweeps/list-partitions.sql");
const STILL_NEEDED = loadScript("runops/sql/sweeps/partition-still-needed.sql");
const SWEEP_DEFAULT = loadScript("runops/sql/sweeps/sweep-default-partition.sql");

const TABLES = ["run", "run_result"] as const;
type Table = (typeof TABLES)[number];

const MS_PER_DAY = 86_400_000;
const PERIODS_AHEAD = 3;
const EVERY_MS = 3_600_000;
const AFTER_ERROR_MS = 60_000;
/** A result younger than this keeps its partition, however old the run: its reader may still be coming. */
const RESULT_GRACE_MS = MS_PER_DAY;
const SWEEP_STEP = 1_000;

export type PartitionDeps = {
  pool: Pool;
  /** One process at a time maintains. */
  withLock: RunStore["withLock"];
  clock: Clock;
  log: Logger;
  retentionDays: number;
  periodDays: number;
};

type Range = { fromMs: number; toMs: number };

/** The maintenance loop; run one pass before serving, so that new runs meet their partition. */
export function createPartitionLoop(deps: PartitionDeps): Loop {
  return defineLoop({
    name: "run-partitions",
    everyMs: EVERY_MS,
    afterErrorMs: AFTER_ERROR_MS,
    log: deps.log,
    run: async () => void (await deps.withLock("run-partitions", () => maintainPartitions(deps))),
  });
}

/** One pass: creates what is missing, drops what is over. A table that is busy is left to the next pass. */
export async function maintainPartitions(deps: PartitionDeps): Promise<{ created: number; dropped: number }> {
  let created = 0;
  for (const table of TABLES) created += await createMissing(deps, table);
  const dropped = await dropExpired(deps);
  await sweepDefault(deps);
  if (created + dropped > 0) deps.log.info("partitions.maintained", { created, dropped });
  return { created, dropped };
}

/** Ranges without a partition from the current period to three ahead, given the ones that exist (any period length). */
export function missingRanges(existing: readonly Range[], nowMs: number, periodDays: number): Range[] {
  const periodMs = periodDays * MS_PER_DAY;
  const sorted = [...existing].sort((a, b) => a.fromMs - b.fromMs);
  const missing: Range[] = [];
  const end = Math.floor(nowMs / periodMs) * periodMs + (PERIODS_AHEAD + 1) * periodMs;
  for (let at = Math.floor(nowMs / periodMs) * periodMs; at < end; ) {
    const holder = sorted.find((range) => range.fromMs <= at && at < range.toMs);
    if (holder) {
      at = holder.toMs;
      continue;
    }
    const boundary = (Math.floor(at / periodMs) + 1) * periodMs;
    const next = sorted.find((range) => range.fromMs > at)?.fromMs ?? boundary;
    missing.push({ fromMs: at, toMs: Math.min(boundary, next) });
    at = Math.min(boundary, next);
  }
  return missing;
}

async function createMissing(deps: PartitionDeps, table: Table): Promise<number> {
  const missing = missingRanges(await listRanges(deps.pool, table), deps.clock.now(), deps.periodDays);
  for (const range of missing) await inTransaction(deps.pool, (tx) => createPartition(tx, table, range));
  return missing.length;
}

/** Rows of the range that the default partition took meanwhile move in with it. */
async function createPartition(tx: PoolClient, table: Table, range: Range): Promise<void> {
  const name = partitionName(table, range);
  const [from, to] = [isoDay(range.fromMs), isoDay(range.toMs)];
  await patient(tx);
  await tx.query(`CREATE TABLE run_ops.${name} (LIKE run_ops.${table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)`);
  await tx.query(`LOCK TABLE run_ops.${table}_default IN ACCESS EXCLUSIVE MODE`);
  await tx.query(
    `WITH moved AS (DELETE FROM run_ops.${table}_default WHERE created_at >= '${from}' AND created_at < '${to}' RETURNING *) INSERT INTO run_ops.${name} SELECT * FROM moved`
  );
  await tx.query(`ALTER TABLE run_ops.${table} ATTACH PARTITION run_ops.${name} FOR VALUES FROM ('${from}') TO ('${to}')`);
}

async function dropExpired(deps: PartitionDeps): Promise<number> {
  const cutoff = deps.clock.now() - deps.retentionDays * MS_PER_DAY;
  const byName = new Map<string, { range: Range; tables: Table[] }>();
  for (const table of TABLES) {
    for (const range of await listRanges(deps.pool, table)) {
      if (range.toMs > cutoff) continue;
      const key = `${range.fromMs}-${range.toMs}`;
      const entry = byName.get(key) ?? { range, tables: [] };
      entry.tables.push(table);
      byName.set(key, entry);
    }
  }
  let dropped = 0;
  for (const { range, tables } of byName.values()) {
    try {
      if (await inTransaction(deps.pool, (tx) => dropRange(tx, tables, range, deps.clock.now()))) dropped += tables.length;
    } catch (error) {
      deps.log.warn("partitions.drop_postponed", { from: isoDay(range.fromMs), message: errorMessage(error) });
    }
  }
  return dropped;
}

/** Drops header and result partitions of a range together; false while something still needs them. */
async function dropRange(tx: PoolClient, tables: readonly Table[], range: Range, nowMs: number): Promise<boolean> {
  await patient(tx);
  // Locked before the question is asked: no row can come in between the answer and the drop.
  for (const table of tables) await tx.query(`LOCK TABLE run_ops.${partitionName(table, range)} IN ACCESS EXCLUSIVE MODE`);
  const [from, to] = [new Date(range.fromMs), new Date(range.toMs)];
  const { rows } = await tx.query<{ needed: boolean }>(STILL_NEEDED, [
    from.toISOString(),
    to.toISOString(),
    new Date(nowMs - RESULT_GRACE_MS).toISOString(),
    ...idBounds(from),
    ...idBounds(to),
  ]);
  if (rows[0]?.needed !== false) return false;
  for (const table of tables) await tx.query(`DROP TABLE run_ops.${partitionName(table, range)}`);
  return true;
}

async function sweepDefault(deps: PartitionDeps): Promise<void> {
  const nowMs = deps.clock.now();
  const values = [
    new Date(nowMs - deps.retentionDays * MS_PER_DAY).toISOString(),
    new Date(nowMs - RESULT_GRACE_MS).toISOString(),
    SWEEP_STEP,
  ];
  for (;;) {
    const { rows } = await deps.pool.query<{ removed: number }>(SWEEP_DEFAULT, values);
    if ((rows[0]?.removed ?? 0) < SWEEP_STEP) return;
  }
}

async function listRanges(pool: Pool, table: Table): Promise<Range[]> {
  const { rows } = await pool.query<{ from_day: Date; to_day: Date }>(LIST, [table]);
  return rows.map((row) => ({ fromMs: row.from_day.getTime(), toMs: row.to_day.getTime() }));
}

/** Waits little for locks, since everybody waits behind a waiting exclusive lock; but lets rows move as long as it takes. */
async function patient(tx: PoolClient): Promise<void> {
  await tx.query("SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = 0; SET LOCAL timezone = 'UTC'");
}

function partitionName(table: Table, range: Range): string {
  return `${table}_p${compactDay(range.fromMs)}_${compactDay(range.toMs)}`;
}

function isoDay(ms: number): string {
  return new Date(ms).toISOString();
}

function compactDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10).replaceAll("-", "");
}
