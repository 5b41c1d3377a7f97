-- What start.sql returns, for runs that started before: the answer to a repeated start.
--
-- $1 ids
SELECT l.id, l.created_at, l.env_id, l.task, l.queue, l.ck, l.region, l.score, l.state, l.status, l.seq, l.attempt, l.attempt_seq, l.deliveries, l.flags, l.version_id,
  l.machine, l.parent_id, l.due_at, l.queued_at, l.started_at, l.updated_at, l.usage_ms, l.cost, l.replay_key, l.metadata, l.metadata_type,
  h.payload, h.payload_type, encode(h.trace_id, 'hex') AS trace_id, encode(h.span_id, 'hex') AS span_id, encode(h.parent_span_id, 'hex') AS parent_span_id,
  h.trace_context, h.tags, h.root_id, h.depth, h.batch_id, h.batch_index, h.idempotency_key, h.schedule_id, h.replay_of, h.is_test, h.options
FROM run_ops.run_live l JOIN run_ops.run h ON h.id = l.id AND h.created_at = l.created_at
WHERE l.id = ANY ($1::text[])
