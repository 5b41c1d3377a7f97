/** Cancels a deployment that is under way. The workflow notices by itself and undoes what it did: compensation always runs. */
import type { EnvironmentView } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import { inTransaction, type Pool } from "../../platform/db.server";
import { conflict } from "../../utils/appError";
import { parseFriendlyId } from "../../utils/ids";
import { lockDeployment } from "../rows/deploymentRows.server";
import { endDeployment, type EndPorts } from "../rows/endDeployment.server";
import { lockEnvironment } from "../rows/environmentLock.server";
import type { Actor, AuditLog, DeploymentRecord } from "../ports";
import { deploymentNotFound } from "./reads.server";

const DEFAULT_REASON = "Cancelled by user";

type Cancel = {
  env: EnvironmentView;
  /** With or without prefix. */
  deploymentId: string;
  reason: string | undefined;
  actor: Actor;
};

export class CancelDeploymentService {
  constructor(private readonly deps: EndPorts & { pool: Pool; clock: Clock; audit: AuditLog }) {}

  /** Answers what was cancelled. Throws 404, or 409 (never to be retried) when it has ended. */
  call({ env, deploymentId, reason, actor }: Cancel): Promise<Pick<DeploymentRecord, "id" | "version" | "shortCode">> {
    return inTransaction(this.deps.pool, async (tx) => {
      await lockEnvironment(tx, env.id);
      const id = parseFriendlyId("deployment", deploymentId);
      const deployment = id === null ? null : await lockDeployment(tx, id);
      if (deployment?.environmentId !== env.id) throw deploymentNotFound();
      const message = reason?.trim() || DEFAULT_REASON;
      const end = { deploymentId: deployment.id, phase: "cancelled", message, code: "cancelled", nowMs: this.deps.clock.now() } as const;
      if (!(await endDeployment(tx, this.deps, end))) {
        throw conflict("deployment_final", "Deployment is already in a final state and cannot be canceled");
      }
      await this.deps.audit.write(tx, {
        event: "deployment.cancel",
        actor,
        organizationId: env.organization.id,
        projectId: env.project.id,
        environmentId: env.id,
        deploymentId: deployment.id,
        meta: { version: deployment.version, phase: deployment.phase, reason: message },
      });
      return deployment;
    });
  }
}
