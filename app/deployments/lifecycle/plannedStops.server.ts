/** Stops that are planned for later. A plan is named by its nonce: one that was replaced in the meantime does nothing. */
import { randomBytes } from "node:crypto";
import type { PoolClient } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import type { Queryable } from "../ports";

const SCHEDULE_SQL = loadScript("deployments/lifecycle/sql/stop-schedule.sql");
const HASTEN_SQL = loadScript("deployments/lifecycle/sql/stops-hasten.sql");
const SCHEDULE_FIRST_SQL = loadScript("deployments/lifecycle/sql/stop-schedule-first.sql");
const FORGET_SQL = "DELETE FROM scheduled_state_change WHERE deployment_id = $1";

/** A version that was replaced finishes what it has; its idle replicas are kept for a quick way back. */
export const STOP_PREVIOUS_AFTER_MS = 30 * 60_000;
/** After a rollback the newer version is kept warm for the way forward, unless the rollback is confirmed before. */
export const KEEP_NEWER_WARM_MS = 24 * 3_600_000;

/** Plans or replans the stop of a running deployment; one that is stopped gets no plan. */
export async function planStop(tx: PoolClient, deploymentId: string, dueMs: number): Promise<void> {
  await tx.query(SCHEDULE_SQL, [deploymentId, newNonce(), new Date(dueMs)]);
}

/** As `planStop`, for callers without the environment's lock: a plan that someone made in the meantime stays. */
export async function planStopUnlessPlanned(db: Queryable, deploymentId: string, dueMs: number): Promise<void> {
  await db.query(SCHEDULE_FIRST_SQL, [deploymentId, newNonce(), new Date(dueMs)]);
}

/** Brings stops that are planned in the environment for later than `latestMs` forward to it. */
export async function hastenStops(tx: PoolClient, envId: string, latestMs: number): Promise<void> {
  await tx.query(HASTEN_SQL, [envId, new Date(latestMs), newNonce()]);
}

/** The deployment stays in the state that it has. */
export async function forgetPlan(tx: PoolClient, deploymentId: string): Promise<void> {
  await tx.query(FORGET_SQL, [deploymentId]);
}

function newNonce(): string {
  return randomBytes(12).toString("hex");
}
