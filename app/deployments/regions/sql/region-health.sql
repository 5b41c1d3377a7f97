-- How the target regions of a deployment are doing.
-- $1 text: deployment. $2 timestamptz: reported, and agents heard of, at or after.
-- Returns one row a region: `running`, `starting` and `failed` count fresh instances; `message` is the last one reported, failed ones first.
SELECT r.id AS region_id, r.name AS region, t.min_replicas AS required,
       count(i.id) FILTER (WHERE i.state = 'running')::int AS running,
       count(i.id) FILTER (WHERE i.state = 'preparing')::int AS starting,
       count(i.id) FILTER (WHERE i.state = 'failed')::int AS failed,
       (SELECT count(*)::int FROM agent a WHERE a.region_id = r.id AND a.last_seen_at >= $2) AS agents,
       (SELECT m.message FROM deployment_instance m
        WHERE m.deployment_id = t.deployment_id AND m.region_id = t.region_id AND m.message IS NOT NULL
        ORDER BY (m.state = 'failed') DESC, m.last_seen_at DESC LIMIT 1) AS message
FROM deployment_topology t
JOIN region r ON r.id = t.region_id
LEFT JOIN deployment_instance i ON i.deployment_id = t.deployment_id AND i.region_id = t.region_id AND i.last_seen_at >= $2
WHERE t.deployment_id = $1 AND t.desired_status = 'running'
GROUP BY r.id, r.name, t.deployment_id, t.region_id, t.min_replicas
ORDER BY r.name
