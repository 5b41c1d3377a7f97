/** What the engine asks about deployed versions, from the tables of deployments. */
import type { DeployedVersion, DeployedVersions } from "../../engine/versions/deployedVersions";
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { RecentAnswers } from "./recentAnswers";

const BY_WORKER = { name: "cp-deployed-by-worker", text: loadScript("deployments/regions/sql/deployed-by-worker.sql") };
const BY_EXTERNAL_ID = { name: "cp-deployed-by-external-id", text: loadScript("deployments/regions/sql/deployed-by-external-id.sql") };
const HAS_REGION = { name: "cp-has-region", text: "SELECT true AS found FROM region WHERE name = $1 AND can_schedule" };
/** Asked for every run that is handed out, and nearly always answered the same. */
const TRUST_MS = 1_000;

type DeployedRow = { id: string; worker_version_id: string; version: string; release_digest: string | null; regions: string[] };

/** Needs the pool alone: the engine is built before the rest of deployments. */
export function createDeployedVersions({ pool, clock }: { pool: Pool; clock: Clock }): DeployedVersions {
  const byWorker = new RecentAnswers<DeployedVersion>(clock, TRUST_MS);
  const byExternalId = new RecentAnswers<{ versionId: string; version: string }>(clock, TRUST_MS);
  const regions = new RecentAnswers<true>(clock, TRUST_MS);
  return {
    byWorker: (versionId) => byWorker.get(versionId, () => findByWorker(pool, versionId)),
    byExternalId: (envId, externalId) =>
      byExternalId.get(`${envId} ${externalId}`, async () => {
        const { rows } = await pool.query<{ worker_version_id: string; version: string }>({
          ...BY_EXTERNAL_ID,
          values: [envId, externalId],
        });
        const [row] = rows;
        return row ? { versionId: row.worker_version_id, version: row.version } : null;
      }),
    async hasRegion(name) {
      const found = await regions.get(name, async () =>
        (await pool.query({ ...HAS_REGION, values: [name] })).rowCount === 0 ? null : true
      );
      return found === true;
    },
  };
}

async function findByWorker(pool: Pool, versionId: string): Promise<DeployedVersion | null> {
  const { rows } = await pool.query<DeployedRow>({ ...BY_WORKER, values: [versionId] });
  const [row] = rows;
  if (!row) return null;
  return {
    deploymentId: row.id,
    versionId: row.worker_version_id,
    version: row.version,
    releaseDigest: row.release_digest,
    regions: new Set(row.regions),
  };
}
