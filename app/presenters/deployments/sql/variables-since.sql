-- Names of an environment's variables that were set after a moment.
-- $1 text environment, $2 timestamptz, $3 integer rows.
-- Returns rows {key}.
SELECT v.key FROM environment_variable v WHERE v.environment_id = $1 AND v.updated_at > $2 ORDER BY v.key LIMIT $3
