-- Deployments whose last instance is gone, as their agents say, become stopped. An instance that no agent has confirmed lately does not count.
-- $1 timestamptz now, $2 timestamptz reported at or after.
-- Returns nothing.
UPDATE deployment d SET phase = 'stopped', status = 'DEPLOYED', updated_at = $1
WHERE d.phase = 'ready' AND d.desired_state = 'stopped'
  AND NOT EXISTS (
    SELECT 1 FROM deployment_instance i
    WHERE i.deployment_id = d.id AND i.state IN ('preparing', 'running', 'draining') AND i.last_seen_at >= $2
  )
