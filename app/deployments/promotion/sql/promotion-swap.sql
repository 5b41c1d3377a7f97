-- Moves the pointer of an environment, adds the move to the history, and lets new runs take the new version's worker.
-- The environment is locked by the caller. `desired_state` is named so that the trigger tells the pages of both versions.
-- $1 text environment, $2 text target deployment, $3 text kind, $4 boolean rolled back, $5 text actor, $6 timestamptz now.
-- Returns one row {generation, previousId}.
WITH before AS (
  SELECT deployment_id, generation FROM deployment_promotion WHERE environment_id = $1
), pointer AS (
  INSERT INTO deployment_promotion AS p
    (environment_id, deployment_id, previous_deployment_id, is_rolled_back, generation, promoted_at, promoted_by)
  VALUES ($1, $2, (SELECT deployment_id FROM before), $4, coalesce((SELECT generation FROM before), 0) + 1, $6, $5)
  ON CONFLICT (environment_id) DO UPDATE SET
    deployment_id = excluded.deployment_id, previous_deployment_id = excluded.previous_deployment_id,
    is_rolled_back = excluded.is_rolled_back, generation = excluded.generation,
    promoted_at = excluded.promoted_at, promoted_by = excluded.promoted_by
  RETURNING p.generation, p.previous_deployment_id
), history AS (
  INSERT INTO deployment_promotion_event (environment_id, generation, kind, from_deployment_id, to_deployment_id, actor, at)
  SELECT $1, generation, $3, previous_deployment_id, $2, $5, $6 FROM pointer
), served AS (
  UPDATE environment e SET current_worker_id = d.worker_version_id, updated_at = $6
  FROM deployment d WHERE e.id = $1 AND d.id = $2 AND e.current_worker_id IS DISTINCT FROM d.worker_version_id
), told AS (
  UPDATE deployment d SET updated_at = $6, desired_state = d.desired_state
  FROM pointer WHERE d.id IN ($2, pointer.previous_deployment_id)
)
SELECT generation, previous_deployment_id AS "previousId" FROM pointer
