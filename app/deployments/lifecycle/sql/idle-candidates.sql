-- Deployments that run although nothing points to them: not current, without a plan, and unchanged for their time. All of an
-- archived environment, the current one too.
-- $1 timestamptz last change before which a preview counts as idle, $2 timestamptz the same for other environments, $3 int limit.
-- Returns rows {id, versionId, isPreview, isArchived}.
SELECT d.id, d.worker_version_id AS "versionId", e.type = 'PREVIEW' AS "isPreview", e.archived_at IS NOT NULL AS "isArchived"
FROM deployment d
JOIN environment e ON e.id = d.environment_id
LEFT JOIN deployment_promotion p ON p.environment_id = d.environment_id AND p.deployment_id = d.id
WHERE d.phase = 'ready' AND d.desired_state = 'running'
  AND NOT EXISTS (SELECT 1 FROM scheduled_state_change s WHERE s.deployment_id = d.id)
  AND (e.archived_at IS NOT NULL
       OR (p.deployment_id IS NULL AND d.updated_at < CASE WHEN e.type = 'PREVIEW' THEN $1::timestamptz ELSE $2::timestamptz END))
ORDER BY d.id LIMIT $3
