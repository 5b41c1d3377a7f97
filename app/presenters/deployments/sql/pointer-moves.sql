-- Moves of an environment's pointer from or to some deployments, oldest first, with the names of people.
-- $1 text environment, $2 text[] deployments.
-- Returns rows {generation, kind, fromId, fromVersion, toId, toVersion, at, actor, by (email or null)}.
SELECT h.generation, h.kind, h.from_deployment_id AS "fromId", f.version AS "fromVersion",
       h.to_deployment_id AS "toId", t.version AS "toVersion", h.at, h.actor, u.email AS "by"
FROM deployment_promotion_event h
LEFT JOIN deployment f ON f.id = h.from_deployment_id
LEFT JOIN deployment t ON t.id = h.to_deployment_id
LEFT JOIN user_account u ON h.actor = 'user:' || u.id
WHERE h.environment_id = $1 AND (h.to_deployment_id = ANY ($2) OR h.from_deployment_id = ANY ($2))
ORDER BY h.generation
