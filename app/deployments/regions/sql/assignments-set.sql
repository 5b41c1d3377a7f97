-- Replaces the assignments of a region.
-- $1 text: region. $2 text[], $3 text[], $4 int[]: deployment, agent and replicas of each.
WITH planned AS (
  SELECT * FROM unnest($2::text[], $3::text[], $4::int[]) AS p(deployment_id, agent_id, replicas)
), gone AS (
  DELETE FROM assignment s USING agent a
  WHERE a.id = s.agent_id AND a.region_id = $1
    AND NOT EXISTS (SELECT 1 FROM planned p WHERE p.deployment_id = s.deployment_id AND p.agent_id = s.agent_id)
)
INSERT INTO assignment (deployment_id, agent_id, replicas) SELECT deployment_id, agent_id, replicas FROM planned
ON CONFLICT (deployment_id, agent_id) DO UPDATE SET replicas = excluded.replicas
