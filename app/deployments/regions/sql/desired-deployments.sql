-- What an agent has to know of the versions that it runs.
-- $1 text: agent, for what it is assigned; null with $2.
-- $2 text: deployment, with $3 text: a region that has to hold its release; null with $1.
-- Returns one row a deployment; `replicas` is 0 when it is not assigned to the agent.
SELECT d.id, d.version, d.short_code, d.environment_id, d.release_digest, d.content_hash, d.runtime, coalesce(s.replicas, 0) AS replicas,
       coalesce(ds.process_keep_alive, false) AS process_keep_alive, (p.deployment_id IS NOT NULL) AS is_current
FROM deployment d
LEFT JOIN assignment s ON s.deployment_id = d.id AND s.agent_id = $1
LEFT JOIN deploy_setting ds ON ds.environment_id = d.environment_id
LEFT JOIN deployment_promotion p ON p.environment_id = d.environment_id AND p.deployment_id = d.id
WHERE d.release_digest IS NOT NULL AND (
  ($1::text IS NOT NULL AND s.agent_id IS NOT NULL)
  OR ($1::text IS NULL AND d.id = $2 AND EXISTS (
    SELECT 1 FROM version_route v WHERE v.deployment_id = d.id AND v.region_id = $3
    UNION ALL SELECT 1 FROM deployment_topology t WHERE t.deployment_id = d.id AND t.region_id = $3))
)
ORDER BY d.id
