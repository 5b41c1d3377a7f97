/** Fails a deployment with an error that a builder reports. */
import type { EnvironmentView } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import { inTransaction, type Pool } from "../../platform/db.server";
import type { DeploymentRecord, DeploymentErrorData, Actor, AuditLog } from "../ports";
import { endDeployment, type EndPorts } from "../rows/endDeployment.server";

type Fail = { env: EnvironmentView; deployment: DeploymentRecord; error: DeploymentErrorData; code: string; actor: Actor };

export class FailDeploymentService {
  constructor(private readonly deps: EndPorts & { pool: Pool; clock: Clock; audit: AuditLog }) {}

  /** False when it had ended: the first end stays. */
  call({ env, deployment, error, code, actor }: Fail): Promise<boolean> {
    return inTransaction(this.deps.pool, async (tx) => {
      const failed = await endDeployment(tx, this.deps, {
        deploymentId: deployment.id,
        phase: "failed",
        message: error.message,
        fullText: [`${error.name}: ${error.message}`, error.stack, error.stderr].filter(Boolean).join("\n"),
        errorData: error,
        code,
        nowMs: this.deps.clock.now(),
      });
      if (!failed) return false;
      await this.deps.audit.write(tx, {
        event: "deployment.fail",
        actor,
        organizationId: env.organization.id,
        projectId: env.project.id,
        environmentId: env.id,
        deploymentId: deployment.id,
        meta: { version: deployment.version, code, message: error.message.slice(0, 1_000) },
      });
      return true;
    });
  }
}
