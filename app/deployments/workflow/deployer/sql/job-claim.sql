-- Takes due follow-ups; they come back later unless they are deleted before.
-- $1 timestamptz now, $2 timestamptz when a follow-up whose process dies is taken again, $3 integer most.
-- Returns {id, kind, environmentId, deploymentId, generation, attempts}, the oldest first.
WITH due AS (
  SELECT id FROM deployment_job WHERE next_at <= $1 ORDER BY next_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE deployment_job j SET attempts = j.attempts + 1, next_at = $2
FROM due WHERE j.id = due.id
RETURNING j.id, j.kind, j.environment_id AS "environmentId", j.deployment_id AS "deploymentId", j.generation, j.attempts
