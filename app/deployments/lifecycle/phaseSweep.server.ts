/** Phases of deployments that were stopped or woken follow what the agents report. */
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import type { Queryable } from "../ports";
import { INSTANCE_FRESH_MS, judgeReadiness, type RegionHealth } from "../readiness";
import { readDeploySettings } from "../settings.server";

const STOPPED_SQL = loadScript("deployments/lifecycle/sql/phase-stopped.sql");
const WAKING_SQL = loadScript("deployments/lifecycle/sql/phase-waking.sql");
const READY_SQL = loadScript("deployments/lifecycle/sql/phase-ready.sql");

export type HealthReader = (db: Queryable, deploymentId: string) => Promise<RegionHealth[]>;
/** A deployment and whose settings say when it is healthy. */
export type Waking = { id: string; environmentId: string; parentId: string | null };

export class PhaseSweep {
  constructor(private readonly deps: { pool: Pool; clock: Clock; health: HealthReader }) {}

  /** All of them, once. */
  async call(nowMs: number): Promise<void> {
    const { pool } = this.deps;
    await pool.query(STOPPED_SQL, [new Date(nowMs), new Date(nowMs - INSTANCE_FRESH_MS)]);
    const { rows } = await pool.query<Waking>(WAKING_SQL);
    for (const waking of rows) await this.settle(waking, nowMs);
  }

  /** True when the deployment has enough healthy regions; its phase is ready then. */
  async settle(waking: Waking, nowMs: number): Promise<boolean> {
    const { pool, health } = this.deps;
    const regions = await health(pool, waking.id);
    if (regions.length === 0) return false;
    const { readiness } = await readDeploySettings(pool, { id: waking.environmentId, parentId: waking.parentId });
    if (judgeReadiness(readiness, regions).kind !== "ready") return false;
    await pool.query(READY_SQL, [waking.id, new Date(nowMs)]);
    return true;
  }
}
