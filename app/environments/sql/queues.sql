-- Queues of an environment.
-- $1 text: environment id. Returns at most 10,000 rows in order of name.
SELECT id, environment_id, name, type, base_limit, override_limit, overridden_at, paused_at
FROM queue WHERE environment_id = $1 ORDER BY name LIMIT 10000
