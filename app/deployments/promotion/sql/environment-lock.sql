-- Locks an environment against every other writer of its deployments, and says whose it is.
-- $1 text environment.
-- Returns one row {id, parentId, type, archivedAt, projectId, organizationId}, or none.
SELECT e.id, e.parent_id AS "parentId", e.type, e.archived_at AS "archivedAt", e.project_id AS "projectId",
       p.organization_id AS "organizationId"
FROM environment e JOIN project p ON p.id = e.project_id
WHERE e.id = $1
FOR NO KEY UPDATE OF e
