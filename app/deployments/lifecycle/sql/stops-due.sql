-- Planned changes whose time has come, oldest first.
-- $1 timestamptz now, $2 int limit.
-- Returns rows {deploymentId, nonce, environmentId}.
SELECT s.deployment_id AS "deploymentId", s.nonce, d.environment_id AS "environmentId"
FROM scheduled_state_change s JOIN deployment d ON d.id = s.deployment_id
WHERE s.due_at <= $1
ORDER BY s.due_at, s.deployment_id LIMIT $2
