-- Versions that were kept warm for a way back have no reason to be once the environment goes forward again.
-- $1 text environment, $2 timestamptz latest moment for stops that are planned, $3 text nonce.
-- Returns nothing.
UPDATE scheduled_state_change s SET due_at = $2, nonce = $3
FROM deployment d
WHERE d.id = s.deployment_id AND d.environment_id = $1 AND s.to_state = 'stopped' AND s.due_at > $2
