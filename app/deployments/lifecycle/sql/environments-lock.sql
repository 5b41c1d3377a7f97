-- Locks several environments against writers of their deployments, in one order for everyone.
-- $1 text[] environments.
-- Returns rows {id}.
SELECT id FROM environment WHERE id = ANY ($1::text[]) ORDER BY id FOR NO KEY UPDATE
