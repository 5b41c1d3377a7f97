/** In which regions an environment's next deployments run, and with how many replicas. */
import type { EnvironmentView } from "../environments/types";
import { inTransaction, type Pool } from "../platform/db.server";
import { loadScript } from "../platform/scripts.server";
import { lockEnvironment } from "./rows/environmentLock.server";
import type { Actor, AuditLog, Queryable } from "./ports";
import { regionReplicasSchema, replicaViolations } from "./replicas";

const READ_SQL = loadScript("deployments/sql/region-settings-read.sql");
const WRITE_SQL = loadScript("deployments/sql/region-settings-write.sql");

/** `replicas` is null where the environment does not run. */
export type RegionChoice = { region: string; regionId: string; canSchedule: boolean; replicas: number | null };
/** As sent; every violation is named. */
export type WantedRegion = { region: string; replicas?: unknown };
export type RegionSettingsOutcome = { kind: "saved" } | { kind: "refused"; violations: string[] };

type Place = Pick<EnvironmentView, "id" | "parentId">;

export class RegionSettingsStore {
  constructor(private readonly deps: { pool: Pool; audit: AuditLog }) {}

  /** Every region, by name. */
  read(env: Place): Promise<RegionChoice[]> {
    return readChoices(this.deps.pool, env);
  }

  /** Replaces all of them, or refuses with all violations at once. Running versions keep what they have. */
  update(env: EnvironmentView, wanted: readonly WantedRegion[], actor: Actor): Promise<RegionSettingsOutcome> {
    return inTransaction(this.deps.pool, async (tx) => {
      await lockEnvironment(tx, env.id);
      const before = await readChoices(tx, env);
      const violations = violationsOf(wanted, before);
      if (violations.length > 0) return { kind: "refused", violations };
      const after = regionReplicasSchema.parse([...wanted]);
      await tx.query(WRITE_SQL, [env.id, after.map((row) => row.region), after.map((row) => row.replicas)]);
      await this.deps.audit.write(tx, {
        event: "region_settings.update",
        actor,
        organizationId: env.organization.id,
        projectId: env.project.id,
        environmentId: env.id,
        deploymentId: null,
        meta: { before: before.filter((row) => row.replicas !== null).map(({ region, replicas }) => ({ region, replicas })), after },
      });
      return { kind: "saved" };
    });
  }
}

async function readChoices(db: Queryable, env: Place): Promise<RegionChoice[]> {
  const { rows } = await db.query<RegionChoice>(READ_SQL, [env.id, env.parentId]);
  return rows;
}

function violationsOf(wanted: readonly WantedRegion[], known: readonly RegionChoice[]): string[] {
  const names = wanted.map((row) => row.region);
  const unknown = names.filter((name) => !known.some((region) => region.region === name));
  const twice = [...new Set(names.filter((name, i) => names.indexOf(name) !== i))];
  return [
    ...unknown.map((name) => `Region ${JSON.stringify(name.slice(0, 63))} does not exist.`),
    ...twice.map((name) => `Region ${JSON.stringify(name.slice(0, 63))} is named twice.`),
    ...replicaViolations(wanted),
  ];
}
