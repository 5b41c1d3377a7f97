-- Processes of a deployment as the agents last reported them.
-- $1 text deployment, $2 integer rows.
-- Returns rows {runnerId, region, agent, state, message, restarts, lastSeenAt}.
SELECT i.runner_id AS "runnerId", r.name AS region, a.instance_name AS agent, i.state, i.message, i.restarts, i.last_seen_at AS "lastSeenAt"
FROM deployment_instance i
JOIN agent a ON a.id = i.agent_id
JOIN region r ON r.id = i.region_id
WHERE i.deployment_id = $1
ORDER BY r.name, a.instance_name, i.runner_id
LIMIT $2
