-- QUEUED rows by the time inside their ids, in both shapes of id.
--
-- $1 and $2 smallest ids of the two shapes from which on, $3 and $4 up to which (exclusive), $5 limit
SELECT id, env_id, queue, ck, region, score, state, seq, updated_at FROM run_ops.run_live
WHERE state = 2 AND ((id >= $1 AND id < $3) OR (id >= $2 AND id < $4))
LIMIT $5
