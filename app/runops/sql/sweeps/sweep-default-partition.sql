-- Removes rows past the retention from the default partitions, where no partition to drop holds them.
--
-- $1 created before, $2 results completed since stay, $3 most runs to remove
WITH old AS MATERIALIZED (
  SELECT h.id, h.created_at FROM run_ops.run_default h
  WHERE h.created_at < $1
    AND NOT EXISTS (SELECT 1 FROM run_ops.run_live l WHERE l.id = h.id)
    AND NOT EXISTS (SELECT 1 FROM run_ops.run_result r WHERE r.id = h.id AND r.created_at = h.created_at AND r.completed_at >= $2)
    AND NOT EXISTS (SELECT 1 FROM run_ops.wait_edge w WHERE w.target_id = h.id)
  LIMIT $3
), results AS (
  DELETE FROM run_ops.run_result r USING old WHERE r.id = old.id AND r.created_at = old.created_at
), headers AS (
  DELETE FROM run_ops.run_default h USING old WHERE h.id = old.id AND h.created_at = old.created_at
)
SELECT count(*) AS removed FROM old
