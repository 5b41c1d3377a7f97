-- QUEUED rows by the time inside their ids, in both shapes of id, oldest first.
--
-- $1 and $2 smallest ids of the two shapes from which on, $3 and $4 up to which (exclusive), $5 limit
SELECT id, env_id, queue, ck, region, score, state, seq, updated_at FROM run_ops.run_live
WHERE state = 2 AND ((id >= $1 AND id < $3) OR (id >= $2 AND id < $4))
-- Milliseconds take 9 characters after the `c` of one shape and 10 in the other.
ORDER BY CASE WHEN length(id) = 25 THEN '0' || substr(id, 2, 9) ELSE substr(id, 1, 10) END COLLATE "C", id
LIMIT $5
