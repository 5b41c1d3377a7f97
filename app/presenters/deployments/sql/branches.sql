-- Branches that an environment's newest deployments came from, by name.
-- $1 text environment, $2 integer deployments to look at.
-- Returns rows {branch}.
SELECT DISTINCT n.git ->> 'commitRef' AS branch
FROM (SELECT d.git FROM deployment d WHERE d.environment_id = $1 ORDER BY d.id DESC LIMIT $2) n
WHERE n.git ->> 'commitRef' IS NOT NULL
ORDER BY 1 LIMIT 20
