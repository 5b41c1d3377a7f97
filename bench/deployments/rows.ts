/** What the tables say about the deployments of an environment. */
import { setTimeout as delay } from "node:timers/promises";
import { performance } from "node:perf_hooks";
import type pg from "pg";

/** A deployment that is ready. `ownMs`: from its creation, which is the CLI's request after the upload, to ready. */
export type Deployed = { id: string; version: string; ownMs: number; buildingMs: number; deployingMs: number };

const NEWEST_SQL =
  "SELECT d.id, d.version, " +
  'extract(epoch FROM d.deployed_at - d.created_at)::float8 * 1000 AS "ownMs", ' +
  "(SELECT extract(epoch FROM s.ended_at - s.started_at)::float8 * 1000 FROM deployment_step s WHERE s.deployment_id = d.id AND s.step = 'building') AS \"buildingMs\", " +
  "(SELECT extract(epoch FROM s.ended_at - s.started_at)::float8 * 1000 FROM deployment_step s WHERE s.deployment_id = d.id AND s.step = 'deploying') AS \"deployingMs\" " +
  "FROM deployment d WHERE d.environment_id = $1 ORDER BY d.id DESC LIMIT 1";

const POLL_MS = 100;
const WAIT_TIMEOUT_MS = 120_000;

export async function newestDeployment(pool: pg.Pool, environmentId: string): Promise<Deployed> {
  const { rows } = await pool.query<Deployed>(NEWEST_SQL, [environmentId]);
  if (!rows[0]) throw new Error("There is no deployment.");
  return rows[0];
}

export async function phaseOf(pool: pg.Pool, id: string): Promise<string> {
  const { rows } = await pool.query<{ phase: string }>("SELECT phase FROM deployment WHERE id = $1", [id]);
  return rows[0]?.phase ?? "";
}

/** True when its replicas are to be stopped. */
export async function isStopped(pool: pg.Pool, id: string): Promise<boolean> {
  const { rows } = await pool.query<{ desired_state: string }>("SELECT desired_state FROM deployment WHERE id = $1", [id]);
  return rows[0]?.desired_state === "stopped";
}

/** Replicas of each of the environment's later deployments. No API sets it; the dashboard writes the same row. */
export async function setReplicas(pool: pg.Pool, environmentId: string, replicas: number): Promise<void> {
  const { rowCount } = await pool.query("UPDATE regional_setting SET replicas = $2 WHERE environment_id = $1", [environmentId, replicas]);
  if (rowCount !== 1) throw new Error(`The environment has ${rowCount} regions, not one.`);
}

/** Asks again and again; throws when it is not so within two minutes. */
export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + WAIT_TIMEOUT_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${WAIT_TIMEOUT_MS / 1_000} s.`);
    await delay(POLL_MS);
  }
}
