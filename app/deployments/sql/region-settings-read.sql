-- Regions with the replicas that an environment wants in each. An environment without settings of its own has those of its parent.
-- $1 text environment, $2 text parent or null.
-- Returns rows {region, regionId, canSchedule, replicas (null: not wanted there)} by name.
SELECT r.name AS region, r.id AS "regionId", r.can_schedule AS "canSchedule", s.replicas
FROM region r
LEFT JOIN regional_setting s ON s.region_id = r.id AND s.environment_id =
  CASE WHEN $2::text IS NULL OR EXISTS (SELECT 1 FROM regional_setting o WHERE o.environment_id = $1) THEN $1 ELSE $2 END
ORDER BY r.name
