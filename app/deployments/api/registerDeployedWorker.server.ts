/**
 * `POST /api/v1/deployments/:id/background-workers`: the indexer says which tasks a release has. It only ties the worker
 * to the deployment; the workflow goes on when the release is stored.
 */
import type { Environments } from "../../environments/environments.server";
import type { RegisteredWorker } from "../../environments/workers/registerWorkerVersion.server";
import type { EnvironmentView } from "../../environments/types";
import { workerWarnings } from "../../environments/workers/workerWarnings";
import type { Clock } from "../../platform/clock";
import { inTransaction, type Pool, type PoolClient } from "../../platform/db.server";
import { AppError, conflict } from "../../utils/appError";
import { friendlyId } from "../../utils/ids";
import { lockDeployment } from "../rows/deploymentRows.server";
import type { Actor, DeploymentEvents, DeploymentRecord, Workflow } from "../ports";
import type { FailDeploymentService } from "./failDeployment.server";
import { deploymentNotFound } from "./reads.server";

type WorkerBody = Parameters<Environments["registerDeployedVersion"]>[1]["body"];
type Register = { env: EnvironmentView; deployment: DeploymentRecord; body: unknown; actor: Actor };

export type RegistrationOutcome =
  | { kind: "registered"; worker: { id: string; version: string; contentHash: string; warnings?: { code: string; message: string }[] } }
  /** Not building: whoever asks is late, or early. */
  | { kind: "wrong-phase"; text: string };

const TIE_SQL =
  "UPDATE deployment SET worker_version_id = $2, runtime = coalesce($3, runtime), runtime_version = $4, updated_at = $5 WHERE id = $1";
const WORKER_SQL = "SELECT id, version, content_hash FROM worker_version WHERE id = $1";
const DRIFT = "worker_drift";

type Deps = {
  pool: Pool;
  clock: Clock;
  environments: Pick<Environments, "registerDeployedVersion">;
  events: DeploymentEvents;
  workflow: Pick<Workflow, "signal">;
  fail: FailDeploymentService;
};

export class RegisterDeployedWorkerService {
  constructor(private readonly deps: Deps) {}

  /**
   * The same content again answers the same worker. Throws 400 for a manifest that cannot be stored and 409 for other
   * content under the same version; both fail the deployment with their text.
   */
  async call(input: Register): Promise<RegistrationOutcome> {
    try {
      const body = await parse(input.body);
      return await inTransaction(this.deps.pool, (tx) => this.register(tx, input, body));
    } catch (error) {
      // The same again would fail the same way.
      if (error instanceof AppError && (error.status === 400 || error.code === DRIFT)) await this.failWith(input, error);
      throw error;
    }
  }

  private async register(tx: PoolClient, { env, deployment: { id } }: Register, body: WorkerBody): Promise<RegistrationOutcome> {
    const deployment = await lockDeployment(tx, id);
    if (!deployment) throw deploymentNotFound();
    if (deployment.workerVersionId !== null) return sameWorker(tx, deployment.workerVersionId, body);
    if (deployment.phase !== "building") {
      const text = `A worker can be registered while the deployment is building; version ${deployment.version} is ${deployment.phase}.`;
      return { kind: "wrong-phase", text };
    }
    const worker = await this.deps.environments.registerDeployedVersion(tx, { envId: env.id, version: deployment.version, body });
    const { runtime, runtimeVersion } = body.metadata;
    const now = new Date(this.deps.clock.now());
    await tx.query(TIE_SQL, [id, worker.id, runtime?.slice(0, 64) ?? null, runtimeVersion?.slice(0, 64) ?? null, now]);
    const count = body.metadata.tasks.length;
    const line = `Registered ${count} task${count === 1 ? "" : "s"} of version ${worker.version}`;
    await this.deps.events.append(tx, id, [{ step: "building", level: "info", body: line }]);
    await this.deps.workflow.signal(tx, id, "worker");
    return registered(worker);
  }

  private failWith({ env, deployment, actor }: Register, error: AppError): Promise<boolean> {
    const data = { name: "IndexError", message: error.message };
    return this.deps.fail.call({ env, deployment, error: data, code: error.code, actor });
  }
}

async function parse(body: unknown): Promise<WorkerBody> {
  const { CreateBackgroundWorkerRequestBody } = await import("@trigger.dev/core/v3/schemas");
  const parsed = CreateBackgroundWorkerRequestBody.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new AppError("invalid_body", 400, `Invalid body: ${issue?.path.map(String).join(".") ?? ""}: ${issue?.message ?? "not valid"}`);
}

async function sameWorker(tx: PoolClient, workerId: string, body: WorkerBody): Promise<RegistrationOutcome> {
  const { rows } = await tx.query<{ id: string; version: string; content_hash: string }>(WORKER_SQL, [workerId]);
  const worker = rows[0];
  if (worker?.content_hash !== body.metadata.contentHash) {
    throw conflict(DRIFT, "A background worker for this deployment version already exists with a different content hash");
  }
  return { kind: "registered", worker: { id: friendlyId("worker", worker.id), version: worker.version, contentHash: worker.content_hash } };
}

function registered({ id, version, contentHash, tasksWithUnsupportedLimits }: RegisteredWorker): RegistrationOutcome {
  const warnings = workerWarnings(tasksWithUnsupportedLimits);
  return {
    kind: "registered",
    worker: { id: friendlyId("worker", id), version, contentHash, ...(warnings.length > 0 ? { warnings } : {}) },
  };
}
