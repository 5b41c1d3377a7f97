-- Locks the oldest build that waits for a builder. Builds that others are just taking are passed over.
-- $1 text[] phases that are under way.
-- Returns {deploymentId, attempt, kind, environmentId} or nothing.
SELECT j.deployment_id AS "deploymentId", j.attempt, j.kind, d.environment_id AS "environmentId"
FROM build_job j JOIN deployment d ON d.id = j.deployment_id
WHERE j.state = 'waiting' AND d.phase = ANY($1::text[]) AND d.cancel_requested_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM build_job newer WHERE newer.deployment_id = j.deployment_id AND newer.attempt > j.attempt)
ORDER BY j.created_at, j.deployment_id
LIMIT 1 FOR UPDATE OF j SKIP LOCKED
