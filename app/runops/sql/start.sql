-- Starts attempts: PENDING_EXECUTING, or EXECUTING between two attempts, at exactly the quoted seq.
--
-- $1..$5 one array per column, sorted by id, no run twice: id, seq, replay key, most attempts, history record
-- $6 now
-- Returns one row per started run: live columns, metadata, and header columns with the payload.
WITH d AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::int[], $3::text[], $4::int[], $5::bytea[]) AS d(id, seq, replay_key, max_attempt, record)
), u AS (
  UPDATE run_ops.run_live l SET
    state = 5, status = 4, seq = l.seq + 1, attempt = l.attempt + 1, attempt_seq = l.seq + 1, flags = l.flags & ~1, replay_key = d.replay_key,
    executed_at = coalesce(l.executed_at, $6::timestamptz), updated_at = $6::timestamptz, hist = l.hist || d.record
  FROM d WHERE l.id = d.id AND l.seq = d.seq AND (l.state = 4 OR (l.state = 5 AND l.flags & 1 = 1)) AND l.attempt < d.max_attempt
  RETURNING l.id, l.created_at, l.env_id, l.task, l.queue, l.ck, l.region, l.score, l.state, l.status, l.seq, l.attempt, l.attempt_seq, l.deliveries, l.flags, l.version_id,
    l.machine, l.parent_id, l.due_at, l.queued_at, l.started_at, l.updated_at, l.usage_ms, l.cost, octet_length(l.hist) AS hist_bytes, l.metadata, l.metadata_type
)
SELECT u.*, h.payload, h.payload_type, encode(h.trace_id, 'hex') AS trace_id, encode(h.span_id, 'hex') AS span_id, encode(h.parent_span_id, 'hex') AS parent_span_id,
  h.trace_context, h.tags, h.root_id, h.depth, h.batch_id, h.batch_index, h.idempotency_key, h.schedule_id, h.replay_of, h.is_test, h.options
FROM u JOIN run_ops.run h ON h.id = u.id AND h.created_at = u.created_at
