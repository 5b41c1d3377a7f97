-- The environment at a place of a project.
-- $1 text: project ref. $2 text: dev, staging, prod or preview. $3 text: branch, or null for the root environment.
-- Returns id, at most one row: archived environments are passed over.
SELECT e.id
FROM environment e
JOIN project p ON p.id = e.project_id
WHERE p.external_ref = $1 AND p.deleted_at IS NULL AND e.slug = $2 AND e.branch_name IS NOT DISTINCT FROM $3 AND e.archived_at IS NULL
LIMIT 1
