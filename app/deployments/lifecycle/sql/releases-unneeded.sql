-- Releases that no environment needs: old, and used only by deployments that have ended, are stopped, are neither current nor
-- the one before, and are not among the newest of their environment. Runs that are locked to a version are the caller's to check.
-- $1 text digest (null: all), $2 timestamptz old: made and last used before, $3 int newest of an environment that are kept, $4 int limit.
-- Returns rows {digest, versionIds, environmentIds}.
SELECT r.digest,
       coalesce(u.version_ids, '{}') AS "versionIds", coalesce(u.environment_ids, '{}') AS "environmentIds"
FROM release r
LEFT JOIN LATERAL (
  SELECT array_agg(DISTINCT d.environment_id) AS environment_ids,
         array_agg(DISTINCT d.worker_version_id) FILTER (WHERE d.worker_version_id IS NOT NULL) AS version_ids
  FROM deployment d WHERE d.release_digest = r.digest
) u ON true
WHERE ($1::text IS NULL OR r.digest = $1) AND r.created_at < $2 AND r.last_used_at < $2
  AND NOT EXISTS (
    SELECT 1 FROM deployment d
    WHERE d.release_digest = r.digest AND (
      d.phase NOT IN ('stopped', 'failed', 'cancelled', 'superseded', 'skipped') OR d.desired_state = 'running' AND d.phase = 'stopped'
      OR EXISTS (SELECT 1 FROM deployment_promotion p
                 WHERE p.environment_id = d.environment_id AND d.id IN (p.deployment_id, p.previous_deployment_id))
      OR d.id IN (SELECT n.id FROM deployment n
                  WHERE n.environment_id = d.environment_id AND n.status = 'DEPLOYED' ORDER BY n.id DESC LIMIT $3)
    )
  )
ORDER BY r.last_used_at LIMIT $4
