-- Deployments that are stopped and should run. No parameters.
-- Returns rows {id, environmentId, parentId}.
SELECT d.id, d.environment_id AS "environmentId", e.parent_id AS "parentId"
FROM deployment d JOIN environment e ON e.id = d.environment_id
WHERE d.phase = 'stopped' AND d.desired_state = 'running'
ORDER BY d.id LIMIT 200
