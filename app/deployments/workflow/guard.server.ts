/** Every write of the workflow: a transaction that holds the deployment's row and the right to change it. */
import { inTransaction, type Pool, type PoolClient } from "../../platform/db.server";
import { DEPLOYMENT_COLUMNS, deploymentById } from "../deploymentRows.server";
import type { DeploymentRecord } from "../ports";
import { DeployError, FencedError } from "./errors";

const IS_DEPLOYER = "EXISTS (SELECT 1 FROM deployer_lease l WHERE l.name = 'deployer' AND l.epoch = $2::bigint)";
const GUARD_SQL = `SELECT ${DEPLOYMENT_COLUMNS} FROM deployment d WHERE d.id = $1 AND d.leader_epoch <= $2::bigint AND ${IS_DEPLOYER} FOR NO KEY UPDATE OF d`;

/**
 * Throws FencedError, with nothing written, when this process is not the deployer any more. A takeover raises the epoch of
 * the row, so it waits for this transaction or this transaction sees it.
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
  const { rows } = await tx.query<DeploymentRecord>(GUARD_SQL, [deploymentId, epoch]);
  const row = rows[0];
  if (row) return row;
  if (!(await deploymentById(tx, deploymentId))) throw new DeployError("ended", "The deployment was deleted.");
  throw new FencedError();
}
