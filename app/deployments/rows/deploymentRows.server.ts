/** Reads of deployment rows, for services and for pages. */
import type { Queryable, DeploymentRecord } from "../ports";
import { loadScript } from "../../platform/scripts.server";

const COLUMNS = loadScript("deployments/sql/deployment-columns.sql");
const BY_ID = `SELECT ${COLUMNS} FROM deployment d WHERE d.id = $1`;
const BY_ID_LOCKED = `SELECT ${COLUMNS} FROM deployment d WHERE d.id = $1 FOR NO KEY UPDATE`;
const BY_VERSION = `SELECT ${COLUMNS} FROM deployment d WHERE d.environment_id = $1 AND d.version = $2`;
const BY_SHORT_CODE = `SELECT ${COLUMNS} FROM deployment d WHERE d.project_id = $1 AND d.short_code = $2`;
const CURRENT = `SELECT ${COLUMNS} FROM deployment_promotion p JOIN deployment d ON d.id = p.deployment_id WHERE p.environment_id = $1`;

/** The row of a deployment whose id (without prefix) is known, or null. */
export async function deploymentById(db: Queryable, id: string): Promise<DeploymentRecord | null> {
  return first(db, BY_ID, [id]);
}

/** The row, locked until the transaction ends. Lock the environment before it when both are needed. */
export async function lockDeployment(db: Queryable, id: string): Promise<DeploymentRecord | null> {
  return first(db, BY_ID_LOCKED, [id]);
}

export async function deploymentByVersion(db: Queryable, envId: string, version: string): Promise<DeploymentRecord | null> {
  return first(db, BY_VERSION, [envId, version]);
}

export async function deploymentByShortCode(db: Queryable, projectId: string, shortCode: string): Promise<DeploymentRecord | null> {
  return first(db, BY_SHORT_CODE, [projectId, shortCode]);
}

/** What the environment runs now, or null before the first promotion. */
export async function currentDeployment(db: Queryable, envId: string): Promise<DeploymentRecord | null> {
  return first(db, CURRENT, [envId]);
}

/** The columns of `DeploymentRecord` of a row named `d`, for statements of one's own. */
export const DEPLOYMENT_COLUMNS = COLUMNS;

async function first(db: Queryable, sql: string, values: unknown[]): Promise<DeploymentRecord | null> {
  const { rows } = await db.query<DeploymentRecord>(sql, values);
  return rows[0] ?? null;
}
