-- Live rows as the queue index needs them, in id order.
--
-- $1 after this id, $2 limit, $3 changed at or after this time (null: all)
SELECT id, env_id, queue, ck, region, score, state, seq, updated_at FROM run_ops.run_live
WHERE id > $1 AND ($3::timestamptz IS NULL OR updated_at >= $3::timestamptz)
ORDER BY id LIMIT $2
