-- Removes expired keys. Rows that a trigger holds right now are left to the next pass.
--
-- $1 now, $2 most rows to remove
DELETE FROM run_ops.idempotency_key k USING (
  SELECT env_id, task, key_hash FROM run_ops.idempotency_key WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
) x
WHERE k.env_id = x.env_id AND k.task = x.task AND k.key_hash = x.key_hash
