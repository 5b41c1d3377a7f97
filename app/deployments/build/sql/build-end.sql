-- Ends a build.
-- $1 text deployment, $2 integer attempt, $3 text state, $4 jsonb outcome, $5 timestamptz now.
-- Returns nothing.
UPDATE build_job SET state = $3, outcome = $4, ended_at = $5, lease_until = NULL WHERE deployment_id = $1 AND attempt = $2
