-- Conditional changes of live runs that do not finish them. Only rows at the quoted seq, in an allowed state, change.
--
-- $1..$25 one array per column, sorted by id, no run twice: id, epoch (null: takes and frees no slot), seq, allowed states (bit set),
--         state, status, set due, due, score (null: as it was), set version, version, set machine, machine, set error, error,
--         set reason, reason, attempt closed (null: as it was), usage ms to add, cost to add, reset deliveries, queued now,
--         bump seq (1 or 0), history record (empty when the seq stays), region (null: as it was)
-- $26 now
-- $27 true: the group takes or frees slots and holds the epoch row against a rebuild
-- Returns one row per changed run (live columns), and always one row with `held_epoch`.
WITH held AS MATERIALIZED (
  SELECT c.epoch FROM run_ops.engine_epoch c
  WHERE $27::boolean AND c.kind = 'current' AND c.epoch >= (SELECT i.epoch FROM run_ops.engine_epoch i WHERE i.kind = 'intent') FOR SHARE OF c
), d AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::int[], $4::int[], $5::smallint[], $6::smallint[], $7::boolean[], $8::timestamptz[], $9::bigint[], $10::boolean[], $11::text[],
    $12::boolean[], $13::text[], $14::boolean[], $15::text[], $16::boolean[], $17::text[], $18::boolean[], $19::bigint[], $20::float8[], $21::boolean[], $22::boolean[], $23::int[], $24::bytea[], $25::text[])
    AS d(id, epoch, seq, allowed, state, status, set_due, due_at, score, set_version, version_id,
      set_machine, machine, set_error, error, set_reason, reason, closed, usage_ms, cost, reset_deliveries, queued_now, bump, record, region)
), u AS (
  UPDATE run_ops.run_live l SET
    state = d.state, status = d.status, parked = (d.status = 2), seq = l.seq + d.bump, hist = l.hist || d.record, updated_at = $26::timestamptz,
    due_at = CASE WHEN d.set_due THEN d.due_at ELSE l.due_at END,
    score = coalesce(d.score, l.score),
    region = coalesce(d.region, l.region),
    version_id = CASE WHEN d.set_version THEN d.version_id ELSE l.version_id END,
    machine = CASE WHEN d.set_machine THEN d.machine ELSE l.machine END,
    last_error = CASE WHEN d.set_error THEN d.error ELSE l.last_error END,
    reason = CASE WHEN d.set_reason THEN d.reason ELSE l.reason END,
    flags = CASE d.closed WHEN true THEN l.flags | 1 WHEN false THEN l.flags & ~1 ELSE l.flags END,
    usage_ms = least(l.usage_ms::bigint + d.usage_ms, 2147483647)::int, cost = l.cost + d.cost,
    deliveries = CASE WHEN d.reset_deliveries THEN 0 ELSE l.deliveries END,
    queued_at = CASE WHEN d.queued_now THEN $26::timestamptz ELSE l.queued_at END
  FROM d WHERE l.id = d.id AND l.seq = d.seq AND (d.allowed >> l.state) & 1 = 1 AND (d.epoch IS NULL OR d.epoch = (SELECT epoch FROM held))
  RETURNING l.id, l.created_at, l.env_id, l.task, l.queue, l.ck, l.region, l.score, l.state, l.status, l.seq, l.attempt, l.attempt_seq, l.deliveries, l.flags, l.version_id,
    l.machine, l.parent_id, l.due_at, l.queued_at, l.started_at, l.updated_at, l.usage_ms, l.cost, octet_length(l.hist) AS hist_bytes
), cascade AS (
  INSERT INTO run_ops.cancel_cascade (run_id, env_id, created_at) SELECT id, env_id, $26::timestamptz FROM u WHERE state = 8
  ON CONFLICT (run_id) DO NOTHING
)
SELECT u.*, x.epoch AS held_epoch FROM (SELECT (SELECT epoch FROM held) AS epoch) x LEFT JOIN u ON true
