/** Reads of deployments for the API: one, the list, the current one, steps. */
import type { EnvironmentDirectory, EnvironmentView } from "../../environments/types";
import type { Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { AppError } from "../../utils/appError";
import { friendlyId, parseFriendlyId } from "../../utils/ids";
import { currentDeployment, DEPLOYMENT_COLUMNS, deploymentById } from "../rows/deploymentRows.server";
import type { WireStatus } from "../phases";
import type { DeploymentRecord } from "../ports";
import type { StepRecord } from "../rows/stepRows";
import type { WorkerView } from "./views";

const LIST_SQL = loadScript("deployments/sql/deployment-list.sql").replace("{columns}", DEPLOYMENT_COLUMNS);
const STEPS_SQL =
  'SELECT step, started_at AS "startedAt", ended_at AS "endedAt", error, error_summary AS "errorSummary" FROM deployment_step ' +
  "WHERE deployment_id = $1 ORDER BY started_at, step";

export type DeploymentFilter = {
  statuses: WireStatus[] | null;
  from: Date | null;
  to: Date | null;
  /** Id without prefix: only older ones. */
  after: string | null;
  /** Rows, at most. */
  limit: number;
};

export class DeploymentReads {
  constructor(private readonly deps: { pool: Pool; directory: Pick<EnvironmentDirectory, "workerVersion"> }) {}

  /** The deployment of this environment. Throws 404 `Deployment not found`, also for one of another environment. */
  async find(env: EnvironmentView, id: string): Promise<DeploymentRecord> {
    const body = parseFriendlyId("deployment", id);
    const deployment = body === null ? null : await deploymentById(this.deps.pool, body);
    if (deployment?.environmentId === env.id) return deployment;
    throw deploymentNotFound();
  }

  /** Newest first. */
  async list(env: EnvironmentView, filter: DeploymentFilter): Promise<DeploymentRecord[]> {
    const { rows } = await this.deps.pool.query<DeploymentRecord>(LIST_SQL, [
      ...[env.id, filter.statuses, filter.from, filter.to],
      ...[filter.after, filter.limit],
    ]);
    return rows;
  }

  /** Null before the first promotion. */
  findCurrent(env: Pick<EnvironmentView, "id">): Promise<DeploymentRecord | null> {
    return currentDeployment(this.deps.pool, env.id);
  }

  /** Throws 404 before the first promotion. */
  async current(env: EnvironmentView): Promise<DeploymentRecord> {
    const deployment = await this.findCurrent(env);
    if (deployment) return deployment;
    throw new AppError("no_current_deployment", 404, "This environment has no current deployment. Deploy one, or promote one.");
  }

  /** Steps that have begun, in their order. */
  async steps(deploymentId: string): Promise<StepRecord[]> {
    return (await this.deps.pool.query<StepRecord>(STEPS_SQL, [deploymentId])).rows;
  }

  /** The registered worker, or undefined before there is one. */
  async worker(deployment: DeploymentRecord): Promise<WorkerView | undefined> {
    if (deployment.workerVersionId === null) return undefined;
    const worker = await this.deps.directory.workerVersion(deployment.workerVersionId);
    if (!worker) return undefined;
    const tasks = [...worker.tasks.values()].map(({ slug, filePath, exportName }) => ({
      ...{ id: slug, slug, filePath },
      ...(exportName === null ? {} : { exportName }),
    }));
    return { id: friendlyId("worker", worker.id), version: worker.version, tasks };
  }
}

/** The 404 of every route below a deployment. */
export function deploymentNotFound(): AppError {
  return new AppError("deployment_not_found", 404, "Deployment not found");
}
