/** A builder's own `trigger deploy`: its create call brings the bundle of a deployment that exists, and starts nothing. */
import type { EnvironmentView } from "../../../environments/types";
import type { Clock } from "../../../platform/clock";
import { inTransaction, type Pool, type PoolClient } from "../../../platform/db.server";
import { AppError } from "../../../utils/appError";
import { parseFriendlyId } from "../../../utils/ids";
import { lockDeployment } from "../../rows/deploymentRows.server";
import { isTerminal } from "../../phases";
import type { DeploymentRecord, Workflow } from "../../ports";
import type { CreateDeploymentBody } from "./createBody";
import { takeUploadedArtifact } from "./uploadedArtifact.server";

const PREFIX = "deployment_";
const ATTACH_SQL =
  "UPDATE deployment SET bundle_key = $2, content_hash = $3, runtime = coalesce($4, runtime), updated_at = $5 WHERE id = $1";
const CONSUME_SQL = "UPDATE artifact SET state = 'consumed', consumed_at = $2 WHERE key = $1";

/** Id of the deployment that a create call attaches to, or null for a call that makes one. */
export function attachTargetOf(body: CreateDeploymentBody): string | null {
  const commit = body.gitMeta?.commitSha;
  return commit?.startsWith(PREFIX) ? commit : null;
}

export class AttachDeploymentService {
  constructor(private readonly deps: { pool: Pool; clock: Clock; workflow: Pick<Workflow, "signal"> }) {}

  /** Safe to repeat. Throws 400 for a deployment that is unknown here or has ended, or a bundle that was not uploaded. */
  call(input: { env: EnvironmentView; body: CreateDeploymentBody; target: string }): Promise<DeploymentRecord> {
    const { env, body, target } = input;
    return inTransaction(this.deps.pool, async (tx) => {
      const id = parseFriendlyId("deployment", target);
      const deployment = id === null ? null : await lockDeployment(tx, id);
      if (!deployment || deployment.environmentId !== env.id) throw notFound();
      if (isTerminal(deployment.phase)) throw ended(deployment);
      if (!body.fromBundle || deployment.bundleKey === body.artifactKey) return deployment;
      return this.attach(tx, deployment, { env, body });
    });
  }

  private async attach(
    tx: PoolClient,
    deployment: DeploymentRecord,
    { env, body }: { env: EnvironmentView; body: CreateDeploymentBody }
  ): Promise<DeploymentRecord> {
    const bundleKey = await takeUploadedArtifact(tx, { env, key: body.artifactKey, isBundle: true });
    const now = new Date(this.deps.clock.now());
    await tx.query(CONSUME_SQL, [bundleKey, now]);
    await tx.query(ATTACH_SQL, [deployment.id, bundleKey, body.contentHash, body.runtime ?? null, now]);
    await this.deps.workflow.signal(tx, deployment.id, "bundle");
    return { ...deployment, bundleKey, contentHash: body.contentHash, runtime: body.runtime ?? deployment.runtime };
  }
}

function notFound(): AppError {
  const text = "Existing deployment not found during deployment initialization";
  return new AppError("attach_target_missing", 400, text, { "x-should-retry": "false" });
}

function ended(deployment: DeploymentRecord): AppError {
  return new AppError("attach_target_ended", 400, `Deployment ${deployment.version} has ended already (${deployment.phase}).`, {
    "x-should-retry": "false",
  });
}
