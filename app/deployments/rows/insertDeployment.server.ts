/** Puts a deployment into the queue: row, first step, artifact, audit and workflow in one transaction. */
import type { EnvironmentView } from "../../environments/types";
import { toPostgresJson } from "../../environments/postgresJson";
import type { PoolClient } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { mintId } from "../../utils/ids";
import type { Actor, AuditLog, Workflow } from "../ports";
import { newShortCode, nextVersion } from "../versions";

const INSERT_SQL = loadScript("deployments/sql/deployment-insert.sql");
const NEWEST_SQL = loadScript("deployments/sql/newest-version.sql");

export type NewDeployment = {
  env: EnvironmentView;
  contentHash: string;
  runtime: string | null;
  fromBundle: boolean;
  configFilePath: string | null;
  /** Null for a redeploy: its bundle is another deployment's artifact. */
  artifactKey: string | null;
  bundleKey: string | null;
  skipPromotion: boolean;
  /** Sealed for `buildVariablesContext(envId)`. */
  buildEnvVarsCipher: Buffer | null;
  triggeredById: string | null;
  triggeredVia: string | null;
  git: Record<string, unknown> | null;
  commitSha: string | null;
  externalId: string | null;
  requestKey: string | null;
  redeployOfId: string | null;
  actor: Actor;
  /** Of the audit line; `deployment.create` unless it is a redeploy. */
  event: "deployment.create" | "deployment.redeploy";
};
export type InsertPorts = { audit: AuditLog; workflow: Pick<Workflow, "start"> };
export type InsertedDeployment = { id: string; version: string; shortCode: string };

/**
 * The caller holds the environment's lock, so that versions are given one after the other. Rejects with a unique violation
 * when the request key, the artifact or (very rarely) the short code is taken: the caller repeats the whole transaction.
 */
export async function insertDeployment(
  tx: PoolClient,
  ports: InsertPorts,
  input: NewDeployment,
  nowMs: number
): Promise<InsertedDeployment> {
  const { env } = input;
  const newest = await tx.query<{ version: string }>(NEWEST_SQL, [env.id]);
  const version = nextVersion(newest.rows[0]?.version ?? null, nowMs);
  const inserted = { id: mintId(nowMs), version, shortCode: newShortCode() };
  await tx.query(INSERT_SQL, [
    ...[inserted.id, env.project.id, env.id, inserted.shortCode, version, input.contentHash, input.runtime, input.fromBundle],
    ...[input.configFilePath, input.artifactKey, input.bundleKey, input.skipPromotion, input.buildEnvVarsCipher],
    ...[input.triggeredById, input.triggeredVia, input.commitSha, input.git === null ? null : toPostgresJson(input.git)],
    ...[input.externalId, input.requestKey, input.redeployOfId, new Date(nowMs)],
  ]);
  await ports.audit.write(tx, {
    event: input.event,
    actor: input.actor,
    organizationId: env.organization.id,
    projectId: env.project.id,
    environmentId: env.id,
    deploymentId: inserted.id,
    meta: { version, triggeredVia: input.triggeredVia, externalId: input.externalId, redeployOf: input.redeployOfId },
  });
  await ports.workflow.start(tx, inserted.id);
  return inserted;
}

/** What build-time variables are sealed for. They belong to the environment; a redeploy takes them over unchanged. */
export function buildVariablesContext(envId: string): string {
  return `build-variables:${envId}`;
}
