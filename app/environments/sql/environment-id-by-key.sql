-- Which environment a secret key belongs to, current or in grace.
-- $1 bytea: SHA-256 of the key. $2 timestamptz: now.
-- Returns id, at most one row.
SELECT e.id FROM environment e WHERE e.secret_key_hash = $1
UNION ALL
SELECT g.environment_id FROM api_key_grace g WHERE g.secret_key_hash = $1 AND g.until > $2
LIMIT 1
