-- Versions that a region keeps running, the ones that get slots first at the front: current ones, those on their way, the rest.
-- $1 text: region.
-- Returns one row a version with `deployment_id` and `replicas`.
SELECT t.deployment_id, t.desired_replicas AS replicas
FROM deployment_topology t
JOIN deployment d ON d.id = t.deployment_id
JOIN environment e ON e.id = d.environment_id
LEFT JOIN deployment_promotion p ON p.environment_id = d.environment_id AND p.deployment_id = d.id
WHERE t.region_id = $1 AND t.desired_status = 'running' AND d.desired_state = 'running' AND d.release_digest IS NOT NULL
  AND d.status IN ('DEPLOYING', 'DEPLOYED') AND e.archived_at IS NULL
ORDER BY (p.deployment_id IS NULL), (d.phase IN ('ready', 'stopped')), d.id DESC
