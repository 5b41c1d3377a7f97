/** What a deployment that is ready should be: running or stopped. */
import type { PoolClient } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import type { Actor, AuditLog } from "../ports";
import type { LockedEnvironment } from "../promotion/environmentRow.server";

const SET_SQL = loadScript("deployments/lifecycle/sql/desired-state-set.sql");
const FORGET_FAILURES_SQL = loadScript("deployments/lifecycle/sql/failures-forget.sql");

export type StateChange = {
  environment: LockedEnvironment;
  deployment: { id: string; version: string };
  state: "running" | "stopped";
  actor: Actor;
  /** Kept in the audit line, for example that the stop was planned. */
  reason?: string;
  nowMs: number;
};

/**
 * The environment is locked by the caller. Agents hear of it with the commit; the phase follows when they have done it.
 * A stop removes idle replicas only: one with an unfinished run stays until that has finished. False when nothing changed.
 */
export async function setDesiredState(tx: PoolClient, audit: AuditLog, change: StateChange): Promise<boolean> {
  const { environment, deployment, state, nowMs } = change;
  const { rows } = await tx.query<{ changed: number }>(SET_SQL, [deployment.id, state, new Date(nowMs)]);
  if (rows[0]?.changed !== 1) return false;
  if (state === "running") await tx.query(FORGET_FAILURES_SQL, [deployment.id]);
  await audit.write(tx, {
    event: state === "stopped" ? "deployment.stop" : "deployment.wake",
    actor: change.actor,
    organizationId: environment.organizationId,
    projectId: environment.projectId,
    environmentId: environment.id,
    deploymentId: deployment.id,
    meta: { version: deployment.version, ...(change.reason === undefined ? {} : { reason: change.reason }) },
  });
  return true;
}

/** Who acts when a plan comes due or nobody uses a version. */
export const LIFECYCLE: Actor = { type: "system", id: "lifecycle", name: null, ip: null, userAgent: null, correlationId: null };
