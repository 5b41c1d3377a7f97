-- Uploads that nothing needs any more: never used, or everything made of them has ended long enough ago.
-- $1 text key (null: all), $2 timestamptz unused ones made before, $3 timestamptz sources: ended before,
-- $4 timestamptz bundles: ended before, $5 int limit.
-- Returns rows {key, environmentId}.
SELECT a.key, a.environment_id AS "environmentId"
FROM artifact a
LEFT JOIN LATERAL (
  SELECT count(*) AS users, bool_or(d.phase NOT IN ('ready', 'stopped', 'failed', 'cancelled', 'superseded', 'skipped')) AS active,
         max(coalesce(greatest(d.deployed_at, d.failed_at, d.canceled_at), d.updated_at)) AS ended_at
  FROM deployment d
  WHERE d.environment_id = a.environment_id AND (d.artifact_key = a.key OR d.bundle_key = a.key)
) u ON true
WHERE a.state <> 'deleted' AND ($1::text IS NULL OR a.key = $1)
  AND CASE
    WHEN u.users = 0 THEN a.created_at < $2
    ELSE NOT u.active AND u.ended_at < CASE WHEN a.type = 'deployment_context' THEN $3::timestamptz ELSE $4::timestamptz END
  END
ORDER BY a.created_at LIMIT $5
