/** A deployment under a name of the user's own: at most one in flight, and one that is deployed is not built again. */
import type { EnvironmentView } from "../../../environments/types";
import type { PoolClient } from "../../../platform/db.server";
import { conflict } from "../../../utils/appError";
import { DEPLOYMENT_COLUMNS } from "../../rows/deploymentRows.server";
import { endDeployment, type EndPorts } from "../../rows/endDeployment.server";
import { TERMINAL_PHASES } from "../../phases";
import type { Actor, AuditLog, DeploymentRecord, Queryable } from "../../ports";
import type { CreateDeploymentBody } from "./createBody";

export type CanceledDeployment = { version: string; shortCode: string };
export type ExternalIdSettlement = { existing: DeploymentRecord | null; canceled: CanceledDeployment[] };

const FIND_SQL =
  `SELECT ${DEPLOYMENT_COLUMNS} FROM deployment d WHERE d.environment_id = $1 AND d.external_id = $2 ` +
  "AND d.phase NOT IN ('failed', 'cancelled', 'superseded', 'skipped') ORDER BY d.id DESC FOR NO KEY UPDATE";

const NAME_SUCCESSOR_SQL =
  "UPDATE deployment SET superseded_by_id = $2 WHERE environment_id = $1 AND version = ANY ($3) AND failure_code = 'forced'";
const CANCELED_FOR_SQL =
  "SELECT version, short_code AS \"shortCode\" FROM deployment WHERE environment_id = $1 AND superseded_by_id = $2 AND failure_code = 'forced' ORDER BY id DESC";

/** Writes down for whom `--force` ended them, so that every answer to the same command can list them. */
export async function nameSuccessor(
  tx: PoolClient,
  envId: string,
  canceled: readonly CanceledDeployment[],
  successorId: string
): Promise<void> {
  if (canceled.length > 0) await tx.query(NAME_SUCCESSOR_SQL, [envId, successorId, canceled.map(({ version }) => version)]);
}

/** What `--force` ended for a deployment. */
export async function canceledFor(
  db: Queryable,
  deployment: Pick<DeploymentRecord, "id" | "environmentId">
): Promise<CanceledDeployment[]> {
  return (await db.query<CanceledDeployment>(CANCELED_FOR_SQL, [deployment.environmentId, deployment.id])).rows;
}

type Settle = { env: EnvironmentView; body: CreateDeploymentBody; actor: Actor; nowMs: number };

/**
 * Under the environment's lock. `existing` is a deployment that the caller gets instead of a new one; `canceled` are those
 * that `--force` ended. Throws 409, never to be retried, while one is in flight.
 */
export async function settleExternalId(
  tx: PoolClient,
  ports: EndPorts & { audit: AuditLog },
  { env, body, actor, nowMs }: Settle
): Promise<ExternalIdSettlement> {
  const { externalId } = body;
  if (externalId === undefined) return { existing: null, canceled: [] };
  const { rows } = await tx.query<DeploymentRecord>(FIND_SQL, [env.id, externalId]);
  const inFlight = rows.filter((row) => !TERMINAL_PHASES.has(row.phase));
  const deployed = rows.find((row) => row.status === "DEPLOYED");
  if (!body.force) {
    if (inFlight[0]) throw alreadyInProgress(externalId, inFlight[0].version);
    return { existing: deployed ?? null, canceled: [] };
  }
  const canceled: CanceledDeployment[] = [];
  for (const older of inFlight) {
    const message = `Superseded by a new deploy with --force for external id "${externalId}"`;
    await endDeployment(tx, ports, { deploymentId: older.id, phase: "cancelled", message, code: "forced", nowMs });
    await ports.audit.write(tx, {
      event: "deployment.cancel",
      actor,
      organizationId: env.organization.id,
      projectId: env.project.id,
      environmentId: env.id,
      deploymentId: older.id,
      meta: { version: older.version, reason: message },
    });
    canceled.push({ version: older.version, shortCode: older.shortCode });
  }
  return { existing: null, canceled };
}

function alreadyInProgress(externalId: string, version: string) {
  return conflict(
    "external_id_in_progress",
    `A deployment for external id "${externalId}" is already in progress (version ${version}). ` +
      "Wait for it to finish, or deploy again with --force to cancel it and start a new one."
  );
}
