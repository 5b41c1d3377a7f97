-- Whether partitions of a range must stay: a live run was created in it, a result in it is younger than the grace, or a
-- live waiter refers to a run in it.
--
-- $1 from, $2 to, $3 results completed since, $4 and $5 smallest ids of the two shapes at $1, $6 and $7 at $2
SELECT EXISTS (SELECT 1 FROM run_ops.run_live WHERE (id >= $4 AND id < $6) OR (id >= $5 AND id < $7))
  OR EXISTS (SELECT 1 FROM run_ops.run_result WHERE created_at >= $1 AND created_at < $2 AND completed_at >= $3)
  OR EXISTS (SELECT 1 FROM run_ops.wait_edge WHERE (target_id >= $4 AND target_id < $6) OR (target_id >= $5 AND target_id < $7)) AS needed
