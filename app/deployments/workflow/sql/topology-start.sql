-- Wants a deployment to run in its regions, and tells the agents there. Repeated, it changes the version and tells them again.
-- $1 text deployment, $2 text[] regions in the order in which rows are written, $3 integer[] replicas, $4 timestamptz now.
-- Returns nothing.
WITH target AS (
  SELECT t.region_id, t.replicas, t.n FROM unnest($2::text[], $3::integer[]) WITH ORDINALITY AS t (region_id, replicas, n) ORDER BY t.n
), topology AS (
  INSERT INTO deployment_topology (deployment_id, region_id, desired_replicas, min_replicas, desired_status)
  SELECT $1, region_id, replicas, replicas, 'running' FROM target ORDER BY n
  ON CONFLICT (deployment_id, region_id) DO UPDATE SET
    desired_replicas = EXCLUDED.desired_replicas, min_replicas = EXCLUDED.min_replicas,
    desired_status = 'running', version = deployment_topology.version + 1
)
INSERT INTO deployment_change (region_id, deployment_id, created_at) SELECT region_id, $1, $4 FROM target ORDER BY n
