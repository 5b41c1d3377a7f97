-- Stops what is wanted to run of deployments that did not become ready, and tells the agents.
-- $1 timestamptz now.
-- Returns nothing.
WITH stopped AS (
  UPDATE deployment_topology t SET desired_status = 'stopped', version = t.version + 1
  FROM deployment d
  WHERE d.id = t.deployment_id AND t.desired_status = 'running' AND d.phase IN ('failed', 'cancelled', 'superseded', 'skipped')
  RETURNING t.deployment_id, t.region_id
)
INSERT INTO deployment_change (region_id, deployment_id, created_at) SELECT region_id, deployment_id, $1 FROM stopped
