/** The row of an environment, locked for a change of its deployments. */
import type { PoolClient } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";

const LOCK_SQL = loadScript("deployments/promotion/sql/environment-lock.sql");

export type LockedEnvironment = {
  id: string;
  parentId: string | null;
  type: string;
  archivedAt: Date | null;
  projectId: string;
  organizationId: string;
};

/** The same lock as `lockEnvironment`, for callers that also serve archived environments; null for an unknown one. */
export async function lockEnvironmentRow(tx: PoolClient, envId: string): Promise<LockedEnvironment | null> {
  const { rows } = await tx.query<LockedEnvironment>(LOCK_SQL, [envId]);
  return rows[0] ?? null;
}
