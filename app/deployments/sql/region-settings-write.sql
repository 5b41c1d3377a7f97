-- Replaces the regions of an environment.
-- $1 text environment, $2 text[] names of regions, $3 integer[] replicas of each.
-- Returns nothing.
WITH wanted AS (
  SELECT r.id, w.replicas FROM unnest($2::text[], $3::integer[]) AS w (name, replicas) JOIN region r ON r.name = w.name
), gone AS (
  DELETE FROM regional_setting WHERE environment_id = $1 AND region_id NOT IN (SELECT id FROM wanted)
)
INSERT INTO regional_setting (environment_id, region_id, replicas) SELECT $1, id, replicas FROM wanted
ON CONFLICT (environment_id, region_id) DO UPDATE SET replicas = excluded.replicas
