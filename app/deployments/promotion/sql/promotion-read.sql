-- The pointer of an environment.
-- $1 text environment.
-- Returns one row {currentId, currentVersion, previousId, isRolledBack, generation}, or none before the first promotion.
SELECT p.deployment_id AS "currentId", d.version AS "currentVersion", p.previous_deployment_id AS "previousId",
       p.is_rolled_back AS "isRolledBack", p.generation
FROM deployment_promotion p JOIN deployment d ON d.id = p.deployment_id
WHERE p.environment_id = $1
