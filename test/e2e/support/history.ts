/** Checks over what was committed: every run final once, and how many runs held a slot at each moment. */
import type { Pool } from "../../../app/platform/db.server";
import { decodeHistory } from "../../../app/runops/history";
import type { ExecutionState } from "../../../app/runops/runStates";
import { idMillis } from "../../../app/utils/ids";

const HOLDS_SLOT: ReadonlySet<ExecutionState> = new Set(["PENDING_EXECUTING", "EXECUTING", "EXECUTING_WITH_WAITPOINTS"]);

export type FinalRun = { id: string; status: number; attempts: number; queue: string };

/** Final runs by id; throws when a live row is left, naming it. */
export async function finalRuns(pool: Pool): Promise<Map<string, FinalRun>> {
  const { rows } = await pool.query<FinalRun>(
    "SELECT r.id, r.status, r.attempts, h.queue FROM run_ops.run_result r JOIN run_ops.run h ON h.id = r.id AND h.created_at = r.created_at"
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** Runs that are not final. */
export async function liveCount(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ n: number }>("SELECT count(*)::int AS n FROM run_ops.run_live");
  return rows[0]?.n ?? 0;
}

/** Most runs of an environment that held a slot at the same millisecond, from the committed histories. */
export async function mostAtOnce(pool: Pool, envId: string): Promise<number> {
  const { rows } = await pool.query<{ id: string; hist: Buffer; seq: number }>(
    `SELECT id, hist, final_seq AS seq FROM run_ops.run_result WHERE env_id = $1
     UNION ALL SELECT id, hist, seq FROM run_ops.run_live WHERE env_id = $1`,
    [envId]
  );
  const changes: { at: number; by: number }[] = [];
  for (const row of rows) {
    let held = false;
    for (const transition of decodeHistory(row.hist, idMillis(row.id) ?? 0, row.seq)) {
      const holds = HOLDS_SLOT.has(transition.state);
      if (holds !== held) changes.push({ at: transition.at.getTime(), by: holds ? 1 : -1 });
      held = holds;
    }
  }
  // A slot freed and taken within one millisecond is one slot: ends sort first.
  changes.sort((a, b) => a.at - b.at || a.by - b.by);
  let now = 0;
  let most = 0;
  for (const change of changes) {
    now += change.by;
    most = Math.max(most, now);
  }
  return most;
}
