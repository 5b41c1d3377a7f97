-- Changes what a deployment that is ready should be, and tells the agents of its regions.
-- $1 text deployment, $2 text state (running or stopped), $3 timestamptz now.
-- Returns one row {changed}: 0 when it was to be so already.
WITH changed AS (
  UPDATE deployment SET desired_state = $2, updated_at = $3
  WHERE id = $1 AND desired_state <> $2 AND phase IN ('ready', 'stopped')
  RETURNING id
), regions AS (
  UPDATE deployment_topology t SET desired_status = $2, version = t.version + 1
  FROM changed WHERE t.deployment_id = changed.id
  RETURNING t.region_id
), told AS (
  INSERT INTO deployment_change (region_id, deployment_id, created_at) SELECT region_id, $1, $3 FROM regions
)
SELECT count(*)::int AS changed FROM changed
