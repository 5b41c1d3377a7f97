-- The newest deployed version with an external id.
-- $1 text: environment. $2 text: external id.
SELECT worker_version_id, version FROM deployment
WHERE environment_id = $1 AND external_id = $2 AND status = 'DEPLOYED' AND worker_version_id IS NOT NULL
ORDER BY id DESC LIMIT 1
