-- Takes the release away from a deployment that did not become ready; one that did keeps it.
-- $1 text deployment.
-- Returns {digest} of the release that it had, or nothing.
WITH had AS (
  SELECT id, release_digest AS digest FROM deployment
  WHERE id = $1 AND release_digest IS NOT NULL AND phase NOT IN ('ready', 'stopped') FOR NO KEY UPDATE
)
UPDATE deployment d SET release_digest = NULL, image_reference = NULL FROM had WHERE d.id = had.id RETURNING had.digest
