/** One writer of an environment's deployments at a time: create, promote, rollback, finalize, cancel, stop and wake. */
import type { PoolClient } from "../../platform/db.server";
import { AppError } from "../../utils/appError";

/** Not `FOR UPDATE`: that would also hold up everyone who inserts rows that refer to the environment, such as variables. */
const LOCK_SQL = "SELECT archived_at FROM environment WHERE id = $1 FOR NO KEY UPDATE";

/** Held until the transaction ends; take it before any deployment's row. Throws 404 for an environment that is gone. */
export async function lockEnvironment(tx: PoolClient, envId: string): Promise<void> {
  const { rows } = await tx.query<{ archived_at: Date | null }>(LOCK_SQL, [envId]);
  if (rows[0]?.archived_at === null) return;
  throw new AppError("environment_not_found", 404, "Environment not found: it was archived or deleted.");
}
