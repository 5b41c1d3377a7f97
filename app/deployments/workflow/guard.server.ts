/** Every write of the workflow: a transaction that holds the deployment's row and the right to change it. */
import { inTransaction, type Pool, type PoolClient } from "../../platform/db.server";
import { DEPLOYMENT_COLUMNS, deploymentById } from "../rows/deploymentRows.server";
import type { DeploymentRecord } from "../ports";
import { DeployError, FencedError } from "./errors";

const LOCK_SQL = `SELECT ${DEPLOYMENT_COLUMNS} FROM deployment d WHERE d.id = $1 AND d.leader_epoch <= $2::bigint FOR NO KEY UPDATE OF d`;
const LEASE_SQL = "SELECT 1 FROM deployer_lease WHERE name = 'deployer' AND epoch = $1::bigint";
const MORTAL_SQL =
  "SELECT set_config('client_connection_check_interval', '1000', true), set_config('idle_in_transaction_session_timeout', '10000', true)";

/** For the rest of a transaction: a process that is killed or paused, or a machine that is gone, keeps its locks only so long. */
export async function letGoWhenDead(tx: PoolClient): Promise<void> {
  await tx.query(MORTAL_SQL);
}

/**
 * Throws FencedError, with nothing written, when this process is not the deployer any more. The lease is read after the
 * row is locked: a successor that takes it later has to wait for this transaction before it writes to the row.
 */
export async function guarded<T>(
  pool: Pool,
  key: { deploymentId: string; epoch: number },
  work: (tx: PoolClient, row: DeploymentRecord) => Promise<T>
): Promise<T> {
  return inTransaction(pool, async (tx) => work(tx, await guardedRow(tx, key)));
}

/** The same within a transaction that has begun, for those that lock the environment first. */
export async function guardedRow(
  tx: PoolClient,
  { deploymentId, epoch }: { deploymentId: string; epoch: number }
): Promise<DeploymentRecord> {
  await letGoWhenDead(tx);
  const { rows } = await tx.query<DeploymentRecord>(LOCK_SQL, [deploymentId, epoch]);
  const lease = await tx.query(LEASE_SQL, [epoch]);
  const row = rows[0];
  if (row && lease.rowCount) return row;
  if (!row && !(await deploymentById(tx, deploymentId))) throw new DeployError("ended", "The deployment was deleted.");
  throw new FencedError();
}
