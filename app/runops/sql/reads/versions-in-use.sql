-- Which worker versions runs still need.
-- $1 text[] versions, $2 timestamptz or null: with it, versions whose last run ended after it count as well.
-- Returns rows {version_id}.
SELECT DISTINCT version_id FROM run_ops.run_live WHERE version_id = ANY ($1::text[])
UNION
SELECT DISTINCT version_id FROM run_ops.run_result
WHERE $2::timestamptz IS NOT NULL AND completed_at > $2 AND version_id = ANY ($1::text[])
