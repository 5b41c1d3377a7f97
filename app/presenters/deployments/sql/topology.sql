-- Target regions of a deployment with the agents that serve each.
-- $1 text deployment, $2 timestamptz: agents heard of, and instances reported, at or after this count.
-- Returns rows {region, wanted, status, running, failed, instances, agents: [{name, isolation}]} by name.
SELECT r.name AS region, t.desired_replicas AS wanted, t.desired_status AS status,
       count(i.id) FILTER (WHERE i.state = 'running' AND i.last_seen_at >= $2)::int AS running,
       count(i.id) FILTER (WHERE i.state = 'failed' AND i.last_seen_at >= $2)::int AS failed,
       count(i.id) FILTER (WHERE i.last_seen_at >= $2)::int AS instances,
       coalesce((SELECT json_agg(json_build_object('name', a.instance_name, 'isolation', a.capabilities ->> 'isolation') ORDER BY a.instance_name)
                 FROM agent a WHERE a.region_id = r.id AND a.last_seen_at >= $2), '[]') AS agents
FROM deployment_topology t
JOIN region r ON r.id = t.region_id
LEFT JOIN deployment_instance i ON i.deployment_id = t.deployment_id AND i.region_id = t.region_id
WHERE t.deployment_id = $1
GROUP BY r.id, r.name, t.desired_replicas, t.desired_status
ORDER BY r.name
