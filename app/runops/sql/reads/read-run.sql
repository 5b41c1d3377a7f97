-- One run of an environment with everything the API shows of it.
--
-- $1 env, $2 id, $3 its created_at
SELECT h.id, h.created_at, h.env_id, h.task, h.queue, h.ck, h.region, h.parent_id, h.payload, h.payload_type, encode(h.trace_id, 'hex') AS trace_id,
  encode(h.span_id, 'hex') AS span_id, encode(h.parent_span_id, 'hex') AS parent_span_id, h.trace_context, h.tags, h.root_id, h.depth, h.batch_id, h.batch_index,
  h.idempotency_key, h.schedule_id, h.replay_of, h.is_test, h.options,
  l.state AS live_state, l.status AS live_status, l.seq AS live_seq, l.attempt AS live_attempt, l.due_at, l.reason, l.last_error,
  coalesce(l.version_id, r.version_id) AS version_id, coalesce(l.machine, r.machine) AS machine, coalesce(l.queued_at, r.queued_at) AS queued_at,
  coalesce(l.started_at, r.started_at) AS started_at, coalesce(l.executed_at, r.executed_at) AS executed_at, coalesce(l.updated_at, r.updated_at) AS updated_at,
  coalesce(l.usage_ms, r.usage_ms) AS usage_ms, coalesce(l.cost, r.cost) AS cost, coalesce(l.metadata, r.metadata) AS metadata,
  coalesce(l.metadata_type, r.metadata_type) AS metadata_type, coalesce(l.metadata_version, r.metadata_version) AS metadata_version, coalesce(l.hist, r.hist) AS hist,
  r.status AS result_status, r.completed_at, r.attempts, r.attempt_seq, r.final_seq, r.output, r.output_type, r.error
FROM run_ops.run h
LEFT JOIN run_ops.run_live l ON l.id = h.id
LEFT JOIN run_ops.run_result r ON r.id = h.id AND r.created_at = h.created_at
WHERE h.env_id = $1 AND h.id = $2 AND h.created_at = $3
