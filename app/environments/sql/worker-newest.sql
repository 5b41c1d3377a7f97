-- The newest worker version of an environment, and the next number of a day.
-- $1 text: environment id. $2 text: the day, YYYYMMDD.
-- Returns one row; id, content_hash, version and created_at are null while there is none.
SELECT newest.id, newest.content_hash, newest.version, newest.created_at,
       (SELECT coalesce(max(split_part(version, '.', 2)::int), 0) + 1
        FROM worker_version WHERE environment_id = $1 AND version LIKE $2 || '.%') AS next_number
FROM (SELECT 1) AS one
LEFT JOIN LATERAL (
  SELECT id, content_hash, version, created_at FROM worker_version
  WHERE environment_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1
) newest ON true
