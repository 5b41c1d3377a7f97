/** Where a deployment is wanted, as agents read it. */
import type { PoolClient } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import type { Target } from "./targets";

const START_SQL = loadScript("deployments/workflow/sql/topology-start.sql");
const STOP_SQL = loadScript("deployments/workflow/sql/topology-stop.sql");

/** Throws for no targets: readiness over nothing would be met at once. */
export async function startTopology(
  tx: PoolClient,
  deploymentId: string,
  wanted: { targets: readonly Target[]; nowMs: number }
): Promise<void> {
  if (wanted.targets.length === 0) throw new Error("Deployment has no target regions.");
  const regions = wanted.targets.map((target) => target.regionId);
  const replicas = wanted.targets.map((target) => target.replicas);
  await tx.query(START_SQL, [deploymentId, regions, replicas, new Date(wanted.nowMs)]);
}

/** Does nothing where it is stopped already. */
export async function stopTopology(tx: PoolClient, deploymentId: string, nowMs: number): Promise<void> {
  await tx.query(STOP_SQL, [deploymentId, new Date(nowMs)]);
}
