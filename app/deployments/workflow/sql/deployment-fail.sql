-- Ends a deployment without touching its steps, for when those are what cannot be written.
-- $1 text deployment, $2 text status, $3 timestamptz now, $4 text step, $5 text code, $6 jsonb error data.
-- Returns one row {id}, or none when it had ended already.
UPDATE deployment SET phase = 'failed', status = $2, updated_at = $3, failed_at = $3, failure_step = $4, failure_code = $5, error_data = $6::jsonb
WHERE id = $1 AND phase NOT IN ('ready', 'stopped', 'failed', 'cancelled', 'superseded', 'skipped')
RETURNING id
