-- Who of a region keeps how many replicas of what.
-- $1 text: region.
SELECT s.deployment_id, s.agent_id, s.replicas FROM assignment s JOIN agent a ON a.id = s.agent_id WHERE a.region_id = $1
