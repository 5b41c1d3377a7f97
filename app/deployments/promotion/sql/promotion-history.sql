-- Moves of an environment's pointer, newest first, with the versions as they are called.
-- $1 text environment, $2 text deployment that must be one side of the move (null: any), $3 int limit.
-- Returns rows {generation, kind, fromId, fromVersion, toId, toVersion, toShortCode, actor, at}.
SELECT h.generation, h.kind, h.from_deployment_id AS "fromId", f.version AS "fromVersion",
       h.to_deployment_id AS "toId", t.version AS "toVersion", t.short_code AS "toShortCode", h.actor, h.at
FROM deployment_promotion_event h
LEFT JOIN deployment f ON f.id = h.from_deployment_id
LEFT JOIN deployment t ON t.id = h.to_deployment_id
WHERE h.environment_id = $1 AND ($2::text IS NULL OR $2 IN (h.from_deployment_id, h.to_deployment_id))
ORDER BY h.generation DESC LIMIT $3
