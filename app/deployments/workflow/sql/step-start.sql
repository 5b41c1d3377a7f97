-- Opens a step. One that is open already keeps its start, so that its deadline does not move when it is begun again.
-- $1 text deployment, $2 text step, $3 timestamptz now.
-- Returns {startedAt, attempt}.
INSERT INTO deployment_step (deployment_id, step, started_at) VALUES ($1, $2, $3)
ON CONFLICT (deployment_id, step) DO UPDATE SET
  started_at = CASE WHEN deployment_step.ended_at IS NULL THEN deployment_step.started_at ELSE $3 END,
  ended_at = NULL, error = NULL, error_summary = NULL, outcome = NULL,
  attempt = deployment_step.attempt + 1
RETURNING started_at AS "startedAt", attempt
