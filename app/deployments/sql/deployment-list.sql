-- Deployments of an environment, newest first. The name in braces is replaced by the columns of a deployment.
-- $1 text environment, $2 text[] statuses or null, $3 timestamptz from or null, $4 timestamptz to or null,
-- $5 text id: only older ones, or null, $6 integer limit.
-- Returns rows of `DeploymentRecord`.
SELECT {columns}
FROM deployment d
WHERE d.environment_id = $1
  AND ($2::text[] IS NULL OR d.status = ANY ($2))
  AND ($3::timestamptz IS NULL OR d.created_at >= $3)
  AND ($4::timestamptz IS NULL OR d.created_at <= $4)
  AND ($5::text IS NULL OR d.id < $5)
ORDER BY d.id DESC
LIMIT $6
