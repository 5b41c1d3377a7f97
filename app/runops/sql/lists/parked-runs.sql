-- PENDING_VERSION runs of an environment, oldest first, with their options.
--
-- $1 env, $2 after this id, $3 limit
SELECT l.id, l.created_at, l.env_id, l.task, l.queue, l.ck, l.region, l.score, l.state, l.status, l.seq, l.attempt, l.attempt_seq, l.deliveries, l.flags, l.version_id,
  l.machine, l.parent_id, l.due_at, l.queued_at, l.started_at, l.updated_at, l.usage_ms, l.cost, h.options
FROM (SELECT * FROM run_ops.run_live WHERE parked AND env_id = $1 AND id > $2 ORDER BY id LIMIT $3) l
JOIN run_ops.run h ON h.id = l.id AND h.created_at = l.created_at
ORDER BY l.id
