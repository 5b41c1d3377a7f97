/** What a person changes on a page, as the audit log keeps it. */
import type { AuditEvent } from "../deployments/ports";
import { inTransaction } from "../platform/db.server";
import { userActor } from "./deployments/deploymentActions.server";
import type { EnvironmentPage } from "./page.server";

/** One row about the page's environment. `meta` never holds a value or a token. */
export function auditPage(
  { app, env, user }: Pick<EnvironmentPage, "app" | "env" | "user">,
  request: Request,
  { event, meta }: Pick<AuditEvent, "event" | "meta">
): Promise<void> {
  const place = { organizationId: env.organization.id, projectId: env.project.id, environmentId: env.id, deploymentId: null };
  return inTransaction(app.deployments.pool, (tx) =>
    app.deployments.audit.write(tx, { event, meta, actor: userActor(request, user), ...place })
  );
}
