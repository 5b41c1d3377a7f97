-- Ends a deployment that is still on its way. A step that is open ends with it; the first end to come is the one that is kept.
-- $1 text deployment, $2 text phase, $3 text status, $4 timestamptz now, $5 text full error, $6 text summary (512 characters),
-- $7 jsonb error data or null, $8 text code or null, $9 text reason of a cancel or null, $10 text superseding deployment or null.
-- Returns one row {version, step} (step: the one that was open, or null), or none when it had ended already.
WITH ended AS (
  UPDATE deployment SET
    phase = $2, status = $3, updated_at = $4,
    failed_at = CASE WHEN $2 = 'failed' THEN $4 ELSE failed_at END,
    canceled_at = CASE WHEN $2 <> 'failed' THEN $4 ELSE canceled_at END,
    cancel_requested_at = CASE WHEN $2 <> 'failed' THEN coalesce(cancel_requested_at, $4) ELSE cancel_requested_at END,
    cancel_reason = coalesce($9, cancel_reason), canceled_reason = coalesce($9, canceled_reason),
    error_data = coalesce($7::jsonb, error_data), failure_code = coalesce($8, failure_code),
    failure_step = (SELECT step FROM deployment_step WHERE deployment_id = $1 AND ended_at IS NULL ORDER BY started_at DESC LIMIT 1),
    superseded_by_id = coalesce($10, superseded_by_id)
  WHERE id = $1 AND phase NOT IN ('ready', 'stopped', 'failed', 'cancelled', 'superseded', 'skipped')
  RETURNING version, failure_step
), steps AS (
  UPDATE deployment_step SET ended_at = $4, error = $5, error_summary = $6
  FROM ended WHERE deployment_id = $1 AND ended_at IS NULL
)
SELECT version, failure_step AS step FROM ended
