-- Accepts the version that an environment was rolled back to: the flag goes, the pointer stays, the history gets a line.
-- The environment is locked by the caller. `desired_state` is named so that the trigger tells the version's pages.
-- $1 text environment, $2 text actor, $3 timestamptz now.
-- Returns one row {generation, previousId}.
WITH pointer AS (
  UPDATE deployment_promotion SET is_rolled_back = false, generation = generation + 1
  WHERE environment_id = $1
  RETURNING deployment_id, previous_deployment_id, generation
), history AS (
  INSERT INTO deployment_promotion_event (environment_id, generation, kind, from_deployment_id, to_deployment_id, actor, at)
  SELECT $1, generation, 'confirm_rollback', deployment_id, deployment_id, $2, $3 FROM pointer
), told AS (
  UPDATE deployment d SET desired_state = d.desired_state FROM pointer WHERE d.id = pointer.deployment_id
)
SELECT generation, previous_deployment_id AS "previousId" FROM pointer
