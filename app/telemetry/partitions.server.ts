/**
 * Daily partitions of the event table: every day of the retention exists (a span of a long run carries an old start),
 * two more are ahead, and older ones are dropped whole. One query an hour when there is nothing to do.
 */
import type { Clock } from "../platform/clock";
import { inTransaction, type Pool } from "../platform/db.server";
import type { Logger } from "../platform/logger";
import { defineLoop, type Loop } from "../platform/loop";
import { loadScript } from "../platform/scripts.server";

const LIST = loadScript("telemetry/sql/list-event-partitions.sql");
const DAY_MS = 86_400_000;
const NS_PER_MS = 1_000_000n;
/** Two days ahead, so that a loop that fails for a day is no outage. */
const DAYS_AHEAD = 2;
const EVERY_MS = 3_600_000;
/** Any constant that nothing else in the server locks. */
const ADVISORY_LOCK = 7_205_110_031;

type PartitionDeps = { pool: Pool; clock: Clock; log: Logger; retentionDays: number };

/** `event_20261121` for a day number since 1970. */
function partitionName(day: number): string {
  return `event_${new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll("-", "")}`;
}

/** The days that should have a partition now. */
function wantedDays(nowMs: number, retentionDays: number): number[] {
  const today = Math.floor(nowMs / DAY_MS);
  return Array.from({ length: retentionDays + 1 + DAYS_AHEAD }, (_, index) => today - retentionDays + index);
}

/** A stopped loop; `runOnce` creates and drops what is due. Safe to run on every process at once. */
export function createPartitionLoop(deps: PartitionDeps): Loop {
  return defineLoop({
    name: "telemetry-partitions",
    everyMs: EVERY_MS,
    afterErrorMs: 30_000,
    log: deps.log,
    run: () => maintain(deps),
  });
}

async function maintain({ pool, clock, log, retentionDays }: PartitionDeps): Promise<void> {
  const wanted = wantedDays(clock.now(), retentionDays);
  const oldestWanted = partitionName(wanted[0] ?? 0);
  const existing = new Set((await pool.query<{ name: string }>(LIST)).rows.map((row) => row.name));
  const missing = wanted.filter((day) => !existing.has(partitionName(day)));
  const expired = [...existing].filter((name) => name < oldestWanted);
  if (missing.length > 0) await createDays(pool, missing);
  for (const name of expired) await dropPartition(pool, name);
  if (missing.length + expired.length > 0) log.info("telemetry.partitions", { created: missing.length, dropped: expired.length });
}

async function createDays(pool: Pool, days: readonly number[]): Promise<void> {
  await inTransaction(pool, async (tx) => {
    await tx.query("SET LOCAL lock_timeout = '5s'");
    await tx.query("SELECT pg_advisory_xact_lock($1)", [ADVISORY_LOCK]);
    for (const day of days) {
      const from = BigInt(day * DAY_MS) * NS_PER_MS;
      const to = BigInt((day + 1) * DAY_MS) * NS_PER_MS;
      await tx.query(
        `CREATE TABLE IF NOT EXISTS run_ops.${partitionName(day)} PARTITION OF run_ops.event FOR VALUES FROM (${from}) TO (${to})`
      );
    }
  });
}

/** A reader that holds the table for long only delays this: the next pass tries again. */
async function dropPartition(pool: Pool, name: string): Promise<void> {
  if (!/^event_\d{8}$/.test(name)) return;
  await inTransaction(pool, async (tx) => {
    await tx.query("SET LOCAL lock_timeout = '5s'");
    await tx.query("SELECT pg_advisory_xact_lock($1)", [ADVISORY_LOCK]);
    await tx.query(`DROP TABLE IF EXISTS run_ops.${name}`);
  });
}
