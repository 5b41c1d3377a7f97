/** What an agent has to keep running: its share of the region, and everything needed to start a version. */
import type { DesiredDeployment, DesiredState } from "../../../agent/protocol";
import type { AgentCaller } from "../../auth/types";
import type { EnvironmentDirectory, EnvironmentView } from "../../environments/types";
import type { Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { AppError } from "../../utils/appError";
import { friendlyId, parseFriendlyId } from "../../utils/ids";
import type { Agents } from "./agents.server";
import type { PlanRegionService } from "./planRegion.server";

const DESIRED_SQL = loadScript("deployments/regions/sql/desired-deployments.sql");
const CURSOR_SQL = "SELECT coalesce(max(seq), 0) AS cursor FROM deployment_change WHERE region_id = $1";

type DesiredRow = {
  id: string;
  version: string;
  short_code: string;
  environment_id: string;
  release_digest: string;
  content_hash: string;
  runtime: string | null;
  replicas: number;
  process_keep_alive: boolean;
  is_current: boolean;
};

export type DesiredStateDeps = {
  pool: Pool;
  agents: Agents;
  plan: PlanRegionService;
  directory: Pick<EnvironmentDirectory, "byId">;
  /** Of parked replicas. */
  machine: DesiredDeployment["machine"];
  /** Where the processes of an environment send their telemetry; carries a token. */
  otlpEndpoint(env: EnvironmentView): string;
};

export class DesiredStateService {
  constructor(private readonly deps: DesiredStateDeps) {}

  /** The whole state of the calling agent. The cursor is read first: what changes meanwhile is told again, never missed. */
  async call(caller: AgentCaller): Promise<DesiredState> {
    const agentId = await this.deps.agents.seen(caller);
    await this.deps.plan.call(caller.region.id);
    const { rows } = await this.deps.pool.query<{ cursor: number }>(CURSOR_SQL, [caller.region.id]);
    return { deployments: await this.read([agentId, null, null]), cursor: Number(rows[0]?.cursor ?? 0) };
  }

  /** One version of the caller's region, for a run on a version without replicas. Throws 404 when the region does not hold it. */
  async one(caller: AgentCaller, deployment: string): Promise<DesiredDeployment> {
    const id = parseFriendlyId("deployment", deployment);
    const [found] = id ? await this.read([null, id, caller.region.id]) : [];
    if (found) return found;
    throw new AppError(
      "deployment_not_found",
      404,
      `Region "${caller.region.name}" holds no release of deployment ${deployment.slice(0, 64)}.`
    );
  }

  private async read(values: [agentId: string | null, deploymentId: string | null, regionId: string | null]): Promise<DesiredDeployment[]> {
    const { rows } = await this.deps.pool.query<DesiredRow>(DESIRED_SQL, values);
    const described = await Promise.all(rows.map((row) => this.describe(row)));
    return described.filter((one) => one !== null);
  }

  /** Null when its environment has just gone. */
  private async describe(row: DesiredRow): Promise<DesiredDeployment | null> {
    const env = await this.deps.directory.byId(row.environment_id);
    if (!env) return null;
    const { name, cpu, memory } = this.deps.machine;
    return {
      id: row.id,
      friendlyId: friendlyId("deployment", row.id),
      version: row.version,
      shortCode: row.short_code,
      environmentId: env.id,
      environmentSlug: env.slug,
      environmentType: env.type,
      projectId: env.project.id,
      projectRef: env.project.ref,
      organizationId: env.organization.id,
      releaseDigest: row.release_digest,
      contentHash: row.content_hash,
      replicas: row.replicas,
      machine: { name, cpu, memory },
      runtime: row.runtime,
      processKeepAlive: row.process_keep_alive,
      isCurrent: row.is_current,
      otlpEndpoint: this.deps.otlpEndpoint(env),
    };
  }
}
