-- Abandons build jobs of deployments that have ended; their builders hear of it with the next heartbeat.
-- $1 timestamptz now.
-- Returns nothing.
UPDATE build_job j SET state = 'abandoned', ended_at = $1
FROM deployment d
WHERE d.id = j.deployment_id AND j.state IN ('waiting', 'claimed') AND d.phase IN ('ready', 'stopped', 'failed', 'cancelled', 'superseded', 'skipped')
