/** Stores what an agent reports of its processes, and wakes the deployments that wait for them. */
import type { Report, ReportAnswer, ReportedInstance } from "../../../agent/protocol";
import type { AgentCaller } from "../../auth/types";
import type { Clock } from "../../platform/clock";
import { inTransaction, type Pool, type PoolClient } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { mintId } from "../../utils/ids";
import type { Phase } from "../phases";
import type { Workflow } from "../ports";
import type { Agents } from "./agents.server";

const REPORT_SQL = loadScript("deployments/regions/sql/instances-report.sql");
const FRESH_SQL = "UPDATE deployment_instance SET last_seen_at = $2 WHERE agent_id = $1";
/** Shared, so that a deployment cannot be deleted between this read and the insert. */
const KNOWN_SQL = "SELECT id, phase FROM deployment WHERE id = ANY ($1::text[]) ORDER BY id FOR KEY SHARE";
const PHASES_SQL = "SELECT id, phase FROM deployment WHERE id = ANY ($1::text[])";
const WAITING: ReadonlySet<Phase> = new Set<Phase>(["deploying", "network"]);

type DeploymentRow = { id: string; phase: Phase };
export type ReportDeps = { pool: Pool; clock: Clock; agents: Agents; workflow: Pick<Workflow, "signal"> };

export class ReportInstancesService {
  constructor(private readonly deps: ReportDeps) {}

  /** The report is the whole set of the agent. The signal is committed with the rows that it is about. */
  async call(caller: AgentCaller, report: Report): Promise<ReportAnswer> {
    const agentId = await this.deps.agents.seen(caller);
    const instances = [...new Map(report.instances.map((instance) => [instance.runnerId, instance])).values()];
    const named = [...new Set(instances.map((instance) => instance.deploymentId))];
    return inTransaction(this.deps.pool, async (tx) => {
      const known = new Set((await tx.query<DeploymentRow>(KNOWN_SQL, [named])).rows.map((row) => row.id));
      const kept = instances.filter((instance) => known.has(instance.deploymentId));
      const changed = await this.store(tx, { agentId, regionId: caller.region.id, instances: kept });
      if (changed.length > 0) await this.wake(tx, changed);
      return { ok: true, unknown: named.filter((id) => !known.has(id)) };
    });
  }

  private async store(tx: PoolClient, report: { agentId: string; regionId: string; instances: ReportedInstance[] }): Promise<string[]> {
    const { agentId, regionId, instances } = report;
    const now = this.deps.clock.now();
    const column = <T>(pick: (instance: ReportedInstance) => T) => instances.map(pick);
    await tx.query(FRESH_SQL, [agentId, new Date(now)]);
    const { rows } = await tx.query<{ deployment_id: string }>(REPORT_SQL, [
      agentId,
      regionId,
      new Date(now),
      column(() => mintId(now)),
      column((instance) => instance.runnerId),
      column((instance) => instance.deploymentId),
      column((instance) => instance.pid),
      column((instance) => instance.state),
      column((instance) => instance.message?.replaceAll("\0", "") ?? null),
      column((instance) => instance.restarts),
    ]);
    return rows.map((row) => row.deployment_id);
  }

  private async wake(tx: PoolClient, deploymentIds: readonly string[]): Promise<void> {
    const { rows } = await tx.query<DeploymentRow>(PHASES_SQL, [deploymentIds]);
    for (const row of rows) if (WAITING.has(row.phase)) await this.deps.workflow.signal(tx, row.id, "health");
  }
}
