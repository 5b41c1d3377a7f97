/** Phases of deployments that were stopped or woken follow what the agents report. */
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import type { AuditLog, Queryable } from "../ports";
import { INSTANCE_FRESH_MS, judgeReadiness, type Readiness, type RegionHealth } from "../readiness";
import { readDeploySettings } from "../settings.server";
import { LIFECYCLE } from "./desiredState.server";
import { stopAgain } from "./stopAgain.server";

const STOPPED_SQL = loadScript("deployments/lifecycle/sql/phase-stopped.sql");
const WAKING_SQL = loadScript("deployments/lifecycle/sql/phase-waking.sql");
const READY_SQL = loadScript("deployments/lifecycle/sql/phase-ready.sql");

export type HealthReader = (db: Queryable, deploymentId: string) => Promise<RegionHealth[]>;
/** A deployment and whose settings say when it is healthy. */
export type Waking = { id: string; environmentId: string; parentId: string | null };

export class PhaseSweep {
  constructor(private readonly deps: { pool: Pool; clock: Clock; health: HealthReader; audit: AuditLog }) {}

  /** All of them, once. What was woken and cannot become healthy is stopped again. */
  async call(nowMs: number): Promise<void> {
    const { pool } = this.deps;
    await pool.query(STOPPED_SQL, [new Date(nowMs), new Date(nowMs - INSTANCE_FRESH_MS)]);
    const { rows } = await pool.query<Waking>(WAKING_SQL);
    for (const waking of rows) {
      if ((await this.settle(waking, nowMs)) !== "hopeless") continue;
      const { environmentId, id: deploymentId } = waking;
      await stopAgain(this.deps, { environmentId, deploymentId, actor: LIFECYCLE, reason: "its replicas do not start" });
    }
  }

  /** `ready`: enough regions are healthy, and its phase says so now. `hopeless`: too few can still become so. */
  async settle(waking: Waking, nowMs: number): Promise<Readiness["kind"]> {
    const { pool, health } = this.deps;
    const regions = await health(pool, waking.id);
    if (regions.length === 0) return "waiting";
    const { readiness } = await readDeploySettings(pool, { id: waking.environmentId, parentId: waking.parentId });
    const { kind } = judgeReadiness(readiness, regions);
    if (kind === "ready") await pool.query(READY_SQL, [waking.id, new Date(nowMs)]);
    return kind;
  }
}
