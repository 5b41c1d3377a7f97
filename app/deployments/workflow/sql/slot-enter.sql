-- Puts a deployment into the line for a build slot of its organization; one that stands in it, or holds a slot, stays as it is.
-- The place in line is that of its creation, whenever its workflow is picked up.
-- $1 text deployment.
-- Returns {organizationId}.
WITH place AS (
  SELECT p.organization_id, d.created_at, CASE e.type WHEN 'PRODUCTION' THEN 0 WHEN 'STAGING' THEN 1 ELSE 2 END AS priority
  FROM deployment d JOIN project p ON p.id = d.project_id JOIN environment e ON e.id = d.environment_id
  WHERE d.id = $1
), entered AS (
  INSERT INTO build_slot (deployment_id, organization_id, state, priority, enqueued_at)
  SELECT $1, place.organization_id, 'waiting', place.priority, place.created_at FROM place
  ON CONFLICT (deployment_id) DO NOTHING
)
SELECT organization_id AS "organizationId" FROM place
