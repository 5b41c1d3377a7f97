-- The newest version of an environment: by date, then by number.
-- $1 text environment.
-- Returns one row {version}, or none.
SELECT version FROM deployment WHERE environment_id = $1
ORDER BY split_part(version, '.', 1) DESC, split_part(version, '.', 2)::int DESC LIMIT 1
