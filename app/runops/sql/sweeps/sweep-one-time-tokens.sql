-- Removes expired tokens. Rows that a trigger holds right now are left to the next pass.
--
-- $1 now, $2 most rows to remove
DELETE FROM run_ops.one_time_token k USING (
  SELECT env_id, token_hash FROM run_ops.one_time_token WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
) x
WHERE k.env_id = x.env_id AND k.token_hash = x.token_hash
