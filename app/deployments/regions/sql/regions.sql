-- Regions with their agents, for people.
-- $1 timestamptz: an agent counts as connected when heard of at or after.
SELECT r.id, r.name, r.can_schedule, r.created_at,
       (SELECT count(*)::int FROM agent a WHERE a.region_id = r.id AND a.last_seen_at >= $1) AS connected,
       coalesce((SELECT json_agg(json_build_object('id', a.id, 'instanceName', a.instance_name, 'capabilities', a.capabilities, 'slots', a.slots,
          'lastSeenAt', a.last_seen_at, 'replicas', (SELECT coalesce(sum(s.replicas), 0) FROM assignment s WHERE s.agent_id = a.id),
          'instances', (SELECT count(*) FROM deployment_instance i WHERE i.agent_id = a.id AND i.state IN ('preparing', 'running', 'draining')))
          ORDER BY a.instance_name) FROM agent a WHERE a.region_id = r.id), '[]') AS agents
FROM region r ORDER BY r.name
