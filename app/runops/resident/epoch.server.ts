/** The generation of the queue index, and named locks. */
import type { EpochRow } from "../runStore";
import { RetryableError } from "../../utils/appError";
import type { RunDatabase } from "./database.server";

type Row = { kind: "current" | "intent"; epoch: number; redis_run_id: string | null; owner: string | null };

/** The epoch that groups hold, and whether a rebuild is announced. */
export async function readEpoch(db: RunDatabase): Promise<EpochRow> {
  const rows = await db.query<Row>("SELECT kind, epoch, redis_run_id, owner FROM run_ops.engine_epoch", [], "read-epoch");
  const current = rows.find((row) => row.kind === "current");
  const intent = rows.find((row) => row.kind === "intent");
  if (!current || !intent) throw new Error("Table run_ops.engine_epoch lacks its two rows; the run-ops migrations create them.");
  return { epoch: current.epoch, redisRunId: current.redis_run_id, rebuilding: intent.owner !== null };
}

/** From the commit of this on, groups of the current epoch fail without waiting for the lock. */
export async function announceRebuild(db: RunDatabase, owner: string): Promise<void> {
  await db.query(
    `UPDATE run_ops.engine_epoch SET owner = $1, updated_at = now(), epoch = (SELECT epoch + 1 FROM run_ops.engine_epoch WHERE kind = 'current') WHERE kind = 'intent'`,
    [owner]
  );
}

/** Waits for the groups in flight, then takes the next epoch. Throws when another process has announced since. */
export async function bumpEpoch(db: RunDatabase, owner: string, redisRunId: string, atLeast: number): Promise<EpochRow> {
  const [row] = await db.query<{ epoch: number }>(
    `UPDATE run_ops.engine_epoch SET epoch = greatest(epoch + 1, $3::bigint), redis_run_id = $2, updated_at = now()
     WHERE kind = 'current' AND EXISTS (SELECT 1 FROM run_ops.engine_epoch WHERE kind = 'intent' AND owner = $1) RETURNING epoch`,
    [owner, redisRunId, atLeast]
  );
  if (!row) throw new RetryableError("rebuild_superseded", "Another process is rebuilding the queue index.");
  return { epoch: row.epoch, redisRunId, rebuilding: true };
}

/** Removes the announcement of the rebuild that made `epoch`. */
export async function finishRebuild(db: RunDatabase, epoch: number): Promise<void> {
  await db.query("UPDATE run_ops.engine_epoch SET owner = NULL, updated_at = now() WHERE kind = 'intent' AND epoch <= $1", [epoch]);
}

/** Runs `work` while this session alone holds the advisory lock `name` of this database; null when another one holds it. */
export async function withLock<T>(db: RunDatabase, name: string, work: () => Promise<T>): Promise<T | null> {
  const client = await db.read.connect();
  let broken: Error | undefined;
  try {
    const { rows } = await client.query<{ locked: boolean }>("SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS locked", [
      `sluice ${name}`,
    ]);
    if (!rows[0]?.locked) return null;
    try {
      return await work();
    } finally {
      // A session that cannot unlock is closed, which unlocks.
      await client.query("SELECT pg_advisory_unlock(hashtextextended($1, 0))", [`sluice ${name}`]).catch((error: Error) => {
        broken = error;
      });
    }
  } finally {
    client.release(broken);
  }
}
