/** Settings of an environment's deployments. A preview branch has those of its environment until it gets its own. */
import { z } from "zod";
import { inTransaction, type Pool } from "../platform/db.server";
import { loadScript } from "../platform/scripts.server";
import type { EnvironmentView } from "../environments/types";
import type { Actor, AuditLog, DeploySettings, Queryable } from "./ports";

const READ_SQL = loadScript("deployments/sql/settings-read.sql");
const WRITE_SQL = loadScript("deployments/sql/settings-write.sql");

/** What an environment has before anyone changes it; the table has the same defaults. */
const DEFAULT_DEPLOY_SETTINGS: DeploySettings = {
  buildPath: "native_local_bundle",
  autoPromote: true,
  readiness: "min2",
  holdResponse: true,
  supersedeQueued: false,
  concurrentBuilds: 1,
  processKeepAlive: false,
};

/** A change names what it changes. */
export const deploySettingsChange = z.strictObject({
  buildPath: z.enum(["native_local_bundle", "native"]).optional(),
  autoPromote: z.boolean().optional(),
  readiness: z.enum(["min2", "all-but-one", "all"]).optional(),
  holdResponse: z.boolean().optional(),
  supersedeQueued: z.boolean().optional(),
  concurrentBuilds: z.number().int().min(1).max(50).optional(),
  processKeepAlive: z.boolean().optional(),
});
export type DeploySettingsChange = z.output<typeof deploySettingsChange>;

type Place = Pick<EnvironmentView, "id" | "parentId">;

/** One read by key; `db` may be a transaction. */
export async function readDeploySettings(db: Queryable, env: Place): Promise<DeploySettings> {
  const { rows } = await db.query<DeploySettings>(READ_SQL, [env.id, env.parentId]);
  return rows[0] ?? DEFAULT_DEPLOY_SETTINGS;
}

export class DeploySettingsStore {
  constructor(private readonly deps: { pool: Pool; audit: AuditLog }) {}

  read(env: Place): Promise<DeploySettings> {
    return readDeploySettings(this.deps.pool, env);
  }

  /** Answers the settings as they are then. */
  update(env: EnvironmentView, change: DeploySettingsChange, actor: Actor): Promise<DeploySettings> {
    return inTransaction(this.deps.pool, async (tx) => {
      const before = await readDeploySettings(tx, env);
      const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
      const after: DeploySettings = { ...before, ...given };
      await tx.query(WRITE_SQL, [
        env.id,
        ...[after.buildPath, after.autoPromote, after.readiness, after.holdResponse],
        ...[after.supersedeQueued, after.concurrentBuilds, after.processKeepAlive],
      ]);
      await this.deps.audit.write(tx, {
        event: "deploy_settings.update",
        actor,
        organizationId: env.organization.id,
        projectId: env.project.id,
        environmentId: env.id,
        deploymentId: null,
        meta: { before, after },
      });
      return after;
    });
  }
}
