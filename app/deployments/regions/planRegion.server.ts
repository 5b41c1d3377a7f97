/** Decides which agents of a region keep which replicas, and tells those for whom it changed. */
import { AGENT_SILENCE_MS } from "../../../agent/protocol";
import type { Clock } from "../../platform/clock";
import { inTransaction, type Pool, type PoolClient } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { assignReplicas, type Assignment, type Runner, type WantedReplicas } from "./assignReplicas";

const LOCK_SQL = "SELECT id FROM region WHERE id = $1 FOR NO KEY UPDATE";
const WANTED_SQL = loadScript("deployments/regions/sql/wanted-replicas.sql");
const RUNNERS_SQL = loadScript("deployments/regions/sql/region-runners.sql");
const ASSIGNED_SQL = loadScript("deployments/regions/sql/assignments.sql");
const SET_SQL = loadScript("deployments/regions/sql/assignments-set.sql");
const CHANGES_SQL = loadScript("deployments/regions/sql/changes-add.sql");

type AssignmentRow = { deployment_id: string; agent_id: string; replicas: number };

export class PlanRegionService {
  constructor(private readonly deps: { pool: Pool; clock: Clock }) {}

  /** One plan of a region at a time. Without any agent nothing changes: its replicas come back with the next one. */
  async call(regionId: string): Promise<void> {
    await inTransaction(this.deps.pool, async (tx) => {
      await tx.query(LOCK_SQL, [regionId]);
      const now = this.deps.clock.now();
      const runners = await tx.query<Runner>(RUNNERS_SQL, [regionId, new Date(now - AGENT_SILENCE_MS)]);
      if (runners.rows.length === 0) return;
      const wanted = await tx.query<{ deployment_id: string; replicas: number }>(WANTED_SQL, [regionId]);
      const existing = (await tx.query<AssignmentRow>(ASSIGNED_SQL, [regionId])).rows.map(toAssignment);
      const planned = assignReplicas(wanted.rows.map(toWanted), runners.rows, existing);
      await this.store(tx, { regionId, planned, existing, at: new Date(now) });
    });
  }

  private async store(tx: PoolClient, plan: { regionId: string; planned: Assignment[]; existing: Assignment[]; at: Date }): Promise<void> {
    const { regionId, planned } = plan;
    const changed = changedDeployments(planned, plan.existing);
    if (changed.length === 0) return;
    const columns = [planned.map((one) => one.deploymentId), planned.map((one) => one.agentId), planned.map((one) => one.replicas)];
    await tx.query(SET_SQL, [regionId, ...columns]);
    await tx.query(CHANGES_SQL, [regionId, changed, plan.at]);
  }
}

function toWanted(row: { deployment_id: string; replicas: number }): WantedReplicas {
  return { deploymentId: row.deployment_id, replicas: row.replicas };
}

function toAssignment(row: AssignmentRow): Assignment {
  return { deploymentId: row.deployment_id, agentId: row.agent_id, replicas: row.replicas };
}

function changedDeployments(planned: readonly Assignment[], existing: readonly Assignment[]): string[] {
  const keys = (list: readonly Assignment[]) =>
    new Map(list.map((one) => [`${one.deploymentId} ${one.agentId} ${one.replicas}`, one.deploymentId]));
  const before = keys(existing);
  const after = keys(planned);
  const differing = [...before].filter(([key]) => !after.has(key)).concat([...after].filter(([key]) => !before.has(key)));
  return [...new Set(differing.map(([, deploymentId]) => deploymentId))].sort();
}
