-- Where the versions of an environment are to run, with what is known of each region now. An environment without settings
-- (and, for a branch, a parent without any) has one replica in region `local`.
-- $1 text environment, $2 timestamptz: agents heard of at or after this count.
-- Returns {region, regionId (null: no such region), replicas, canSchedule, agents} where agents are {platform, packages} of those that run tasks.
WITH place AS (
  SELECT e.id, e.parent_id FROM environment e WHERE e.id = $1
), own AS (
  SELECT s.region_id, s.replicas FROM regional_setting s
  WHERE s.environment_id = (
    SELECT coalesce((SELECT p.id FROM place p JOIN regional_setting x ON x.environment_id = p.id LIMIT 1), (SELECT parent_id FROM place))
  )
), wanted AS (
  SELECT r.name, own.region_id, own.replicas FROM own LEFT JOIN region r ON r.id = own.region_id
  UNION ALL
  SELECT 'local', (SELECT id FROM region WHERE name = 'local'), 1 WHERE NOT EXISTS (SELECT 1 FROM own)
)
SELECT w.name AS region, r.id AS "regionId", w.replicas, coalesce(r.can_schedule, true) AS "canSchedule",
       coalesce((
         SELECT json_agg(json_build_object('platform', a.capabilities ->> 'platform', 'packages', coalesce(a.capabilities -> 'packages', '[]'::jsonb)))
         FROM agent a WHERE a.region_id = r.id AND a.last_seen_at >= $2 AND a.capabilities -> 'roles' ? 'runner'
       ), '[]') AS agents
FROM wanted w LEFT JOIN region r ON r.id = w.region_id
