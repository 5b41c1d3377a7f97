-- A deployment that was woken serves again.
-- $1 text deployment, $2 timestamptz now.
-- Returns nothing.
UPDATE deployment SET phase = 'ready', status = 'DEPLOYED', updated_at = $2
WHERE id = $1 AND phase = 'stopped' AND desired_state = 'running'
