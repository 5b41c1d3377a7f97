-- Names the release of a deployment that is being built.
-- $1 text deployment, $2 text digest, $3 timestamptz now, $4 text[] phases that are under way.
-- Returns {id}, or nothing when the deployment has ended.
UPDATE deployment SET release_digest = $2, image_reference = 'release://' || $2, updated_at = $3 WHERE id = $1 AND phase = ANY($4::text[])
RETURNING id
