/** Many deployments at once, as rows: for what has to stay fast however many there are. */
import type { Pool } from "../../app/platform/db.server";

/**
 * Inserts stopped deployments with six closed steps each, older than anything that is made now, in one statement each table.
 * `prefix` keeps the ids and short codes of several calls apart: one digit or lower-case letter.
 */
export async function seedDeployments(
  pool: Pool,
  envId: string,
  { count, prefix = "0" }: { count: number; prefix?: string }
): Promise<void> {
  await pool.query(
    `INSERT INTO deployment (id, project_id, environment_id, short_code, version, content_hash, phase, status, desired_state, git, created_at, deployed_at)
     SELECT 'c0' || $3 || lpad(n::text, 22, '0'), e.project_id, e.id, $3 || lpad(n::text, 7, '0'), '20250101.' || n, 'x', 'stopped', 'DEPLOYED', 'stopped',
            jsonb_build_object('commitRef', 'branch-' || n % 40, 'commitMessage', 'Change number ' || n), now() - interval '1 day', now() - interval '1 day'
     FROM generate_series(1, $2::int) n, environment e WHERE e.id = $1`,
    [envId, count, prefix]
  );
  await pool.query(
    `INSERT INTO deployment_step (deployment_id, step, started_at, ended_at)
     SELECT d.id, s.step, d.created_at + s.at * interval '1 second', d.created_at + (s.at + 1) * interval '1 second'
     FROM deployment d, unnest(ARRAY['queued', 'starting', 'building', 'deploying', 'network', 'finalizing']) WITH ORDINALITY AS s (step, at)
     WHERE d.environment_id = $1 AND d.id LIKE 'c0' || $2 || '%' AND length(d.id) = 25`,
    [envId, prefix]
  );
  await pool.query("ANALYZE deployment; ANALYZE deployment_step");
}
