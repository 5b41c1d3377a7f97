/** How the target regions of a deployment are doing, for readiness and for the page. */
import type { Clock } from "../../platform/clock";
import { loadScript } from "../../platform/scripts.server";
import type { Queryable } from "../ports";
import { INSTANCE_FRESH_MS, type RegionHealth } from "../readiness";

const HEALTH_SQL = loadScript("deployments/regions/sql/region-health.sql");

type HealthRow = {
  region: string;
  required: number;
  running: number;
  starting: number;
  failed: number;
  agents: number;
  message: string | null;
};

/** Of each target region that should run it, by name. A region is lost when too few can still become healthy there. */
export async function readRegionHealth(db: Queryable, clock: Pick<Clock, "now">, deploymentId: string): Promise<RegionHealth[]> {
  const freshSince = new Date(clock.now() - INSTANCE_FRESH_MS);
  const { rows } = await db.query<HealthRow>(HEALTH_SQL, [deploymentId, freshSince]);
  return rows.map((row) => ({
    region: row.region,
    running: row.running,
    required: row.required,
    lost: row.failed > 0 && row.running + row.starting < row.required,
    message: row.agents === 0 ? "no agent is connected" : row.message,
  }));
}
