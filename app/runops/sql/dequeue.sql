-- QUEUED -> PENDING_EXECUTING for a group of claimed runs. Takes a slot, so it holds the epoch row against a rebuild.
--
-- $1..$6 one array per column, sorted by id, no run twice: id, created_at, epoch, version to lock to, relock, history record
-- $7 now
-- Returns one row per run that was dequeued (live columns and header columns except the payload), and always one row with
-- id null and `epoch`, the epoch held (null while a rebuild is announced).
WITH held AS MATERIALIZED (
  SELECT c.epoch FROM run_ops.engine_epoch c
  WHERE c.kind = 'current' AND c.epoch >= (SELECT i.epoch FROM run_ops.engine_epoch i WHERE i.kind = 'intent') FOR SHARE OF c
), d AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::text[], $5::boolean[], $6::bytea[]) AS d(id, created_at, epoch, version_id, relock, record)
), u AS (
  UPDATE run_ops.run_live l SET
    state = 4, status = 3, seq = l.seq + 1, deliveries = l.deliveries + 1,
    version_id = CASE WHEN d.relock THEN d.version_id ELSE coalesce(l.version_id, d.version_id) END,
    started_at = coalesce(l.started_at, $7::timestamptz), updated_at = $7::timestamptz, hist = l.hist || d.record
  FROM d WHERE l.id = d.id AND l.state = 2 AND d.epoch = (SELECT epoch FROM held)
  RETURNING l.id, l.created_at, l.env_id, l.task, l.queue, l.ck, l.region, l.score, l.state, l.status, l.seq, l.attempt, l.attempt_seq, l.deliveries, l.flags, l.version_id,
    l.machine, l.parent_id, l.due_at, l.queued_at, l.started_at, l.updated_at, l.usage_ms, l.cost, octet_length(l.hist) AS hist_bytes
)
SELECT u.*, h.payload_type, encode(h.trace_id, 'hex') AS trace_id, encode(h.span_id, 'hex') AS span_id, encode(h.parent_span_id, 'hex') AS parent_span_id,
  h.trace_context, h.tags, h.root_id, h.depth, h.batch_id, h.batch_index, h.idempotency_key, h.schedule_id, h.replay_of, h.is_test, h.options, x.epoch
FROM (SELECT (SELECT epoch FROM held) AS epoch) x LEFT JOIN u ON true LEFT JOIN run_ops.run h ON h.id = u.id AND h.created_at = u.created_at
