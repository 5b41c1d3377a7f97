/** Removes what has expired from the small tables: keys, one-time tokens, recorded requests. */
import type { Clock } from "../platform/clock";
import { inTransaction, type Pool } from "../platform/db.server";
import type { Logger } from "../platform/logger";
import { defineLoop, type Loop } from "../platform/loop";
import { loadScript } from "../platform/scripts.server";
import { tableToTruncate } from "./replayTurns";
import type { RunStore } from "./runStore";

const SWEEP_KEYS = loadScript("runops/sql/sweeps/sweep-idempotency-keys.sql");
const SWEEP_TOKENS = loadScript("runops/sql/sweeps/sweep-one-time-tokens.sql");

const EVERY_MS = 60_000;
const STEP = 1_000;

export type SweepDeps = { pool: Pool; withLock: RunStore["withLock"]; clock: Clock; log: Logger };

/** A pass a minute, by one process at a time. */
export function createSweepLoop(deps: SweepDeps): Loop {
  return defineLoop({
    name: "run-sweeps",
    everyMs: EVERY_MS,
    log: deps.log,
    run: async (signal) => void (await deps.withLock("run-sweeps", () => sweep(deps, signal))),
  });
}

/** One pass; stops between two steps when `signal` aborts. */
export async function sweep(deps: SweepDeps, signal: AbortSignal): Promise<void> {
  const now = new Date(deps.clock.now()).toISOString();
  for (const statement of [SWEEP_KEYS, SWEEP_TOKENS]) {
    for (let removed = STEP; removed === STEP && !signal.aborted; ) removed = (await deps.pool.query(statement, [now, STEP])).rowCount ?? 0;
  }
  await truncateReplays(deps);
}

async function truncateReplays(deps: SweepDeps): Promise<void> {
  const table = tableToTruncate(deps.clock.now());
  if (table === null) return;
  const { rows } = await deps.pool.query<{ filled: boolean }>(`SELECT EXISTS (SELECT 1 FROM run_ops.${table}) AS filled`);
  if (!rows[0]?.filled) return;
  await inTransaction(deps.pool, async (tx) => {
    // Triggers look into this table: they queue behind a waiting TRUNCATE, so it does not wait long.
    await tx.query("SET LOCAL lock_timeout = '200ms'");
    await tx.query(`TRUNCATE run_ops.${table}`);
  });
}
