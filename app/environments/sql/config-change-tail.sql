-- Changes of configuration after $1, oldest first.
-- $1 bigint: number of the last change already seen. $2 int: most rows.
-- Returns seq, scope, entity_id.
SELECT seq, scope, entity_id FROM config_change WHERE seq > $1 ORDER BY seq LIMIT $2
