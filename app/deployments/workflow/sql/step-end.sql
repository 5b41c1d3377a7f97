-- Closes a step that is open; the first to close it says how it ended.
-- $1 text deployment, $2 text step, $3 timestamptz now, $4 text full error or null, $5 text summary or null, $6 jsonb outcome or null.
-- Returns nothing; no row is changed when it was closed already.
UPDATE deployment_step SET ended_at = $3, error = $4, error_summary = $5, outcome = $6::jsonb
WHERE deployment_id = $1 AND step = $2 AND ended_at IS NULL
