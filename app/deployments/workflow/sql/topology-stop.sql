-- Wants a deployment to run nowhere any more, and tells the agents of the regions where it was to run.
-- $1 text deployment, $2 timestamptz now.
-- Returns nothing.
WITH stopped AS (
  UPDATE deployment_topology SET desired_status = 'stopped', version = version + 1
  WHERE deployment_id = $1 AND desired_status = 'running'
  RETURNING region_id
)
INSERT INTO deployment_change (region_id, deployment_id, created_at) SELECT region_id, $1, $2 FROM stopped ORDER BY region_id
