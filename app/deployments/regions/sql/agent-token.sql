-- The region that an agent token belongs to.
-- $1 bytea: sha256 of the token.
-- Returns at most one row; none for a revoked token.
SELECT t.id AS token_id, r.id AS region_id, r.name AS region_name
FROM agent_token t JOIN region r ON r.id = t.region_id
WHERE t.token_hash = $1 AND t.revoked_at IS NULL
