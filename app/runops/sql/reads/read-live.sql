-- Live rows by id. $1 ids.
SELECT id, created_at, env_id, task, queue, ck, region, score, state, status, seq, attempt, attempt_seq, deliveries, flags, version_id, machine, parent_id, due_at, queued_at,
  started_at, updated_at, usage_ms, cost, replay_key, metadata_version
FROM run_ops.run_live WHERE id = ANY ($1::text[])
