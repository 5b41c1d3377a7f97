-- What an environment runs now, and how it came to be so.
-- $1 text environment.
-- Returns one row {currentId, currentVersion, currentCode, isRolledBack, promotedAt, leftVersion, leftCode, rolledBackAt, rolledBackActor,
-- rolledBackBy}, or none before the first promotion. `left…`: what the newest rollback went away from.
SELECT p.deployment_id AS "currentId", d.version AS "currentVersion", d.short_code AS "currentCode", p.is_rolled_back AS "isRolledBack",
       p.promoted_at AS "promotedAt", l.version AS "leftVersion", l.short_code AS "leftCode", h.at AS "rolledBackAt",
       h.actor AS "rolledBackActor", u.email AS "rolledBackBy"
FROM deployment_promotion p
JOIN deployment d ON d.id = p.deployment_id
LEFT JOIN LATERAL (
  SELECT e.from_deployment_id, e.at, e.actor FROM deployment_promotion_event e
  WHERE e.environment_id = p.environment_id AND e.kind = 'rollback' AND p.is_rolled_back
  ORDER BY e.generation DESC LIMIT 1
) h ON true
LEFT JOIN deployment l ON l.id = h.from_deployment_id
LEFT JOIN user_account u ON h.actor = 'user:' || u.id
WHERE p.environment_id = $1
