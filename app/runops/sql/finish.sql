-- Makes runs final: the live row becomes a result row, the idempotency key of a failed run is freed, a cancel is noted for
-- its cascade. Frees a slot, so it holds the epoch row against a rebuild.
--
-- $1..$14 one array per column, sorted by id, no run twice: id, epoch, quoted seq, exact seq, status, output, output type,
--         error, usage ms, cost, metadata (null: unchanged), metadata version expected (null: any), free the key, history record
-- $15 now
-- Guard: a quoted seq lies within the current attempt, which is open; an exact seq (decisions of the server) is the current one.
-- A run that was cancelled meanwhile ends CANCELED, without its output.
-- Returns one row per finished run (live columns as they were, `final_status`), and always one row with `held_epoch`.
WITH held AS MATERIALIZED (
  SELECT c.epoch FROM run_ops.engine_epoch c
  WHERE c.kind = 'current' AND c.epoch >= (SELECT i.epoch FROM run_ops.engine_epoch i WHERE i.kind = 'intent') FOR SHARE OF c
), d AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::int[], $4::int[], $5::smallint[], $6::text[], $7::text[],
    $8::text[], $9::bigint[], $10::float8[], $11::text[], $12::int[], $13::boolean[], $14::bytea[])
    AS d(id, epoch, quoted, exact, status, output, output_type, error, usage_ms, cost, metadata, metadata_version, free_key, record)
), gone AS (
  DELETE FROM run_ops.run_live l USING d
  WHERE l.id = d.id AND d.epoch = (SELECT epoch FROM held)
    AND (d.exact = l.seq OR (d.quoted BETWEEN l.attempt_seq AND l.seq AND (l.state = 8 OR (l.state IN (5, 6, 7) AND l.flags & 1 = 0))))
    AND (d.metadata_version IS NULL OR d.metadata_version = l.metadata_version)
  RETURNING l.*, CASE WHEN l.state = 8 THEN 12::smallint ELSE d.status END AS final_status, d.output, d.output_type, d.error, d.usage_ms AS add_usage, d.cost AS add_cost,
    d.metadata AS new_metadata, d.free_key, d.record
), result AS (
  INSERT INTO run_ops.run_result (id, created_at, env_id, task, status, completed_at, queued_at, started_at, executed_at, attempts, attempt_seq, final_seq, usage_ms, cost,
    version_id, machine, output, output_type, error, metadata, metadata_type, metadata_version, hist, updated_at)
  SELECT id, created_at, env_id, task, final_status, $15::timestamptz, queued_at, started_at, executed_at, attempt, attempt_seq, seq + 1,
    least(usage_ms::bigint + add_usage, 2147483647)::int, cost + add_cost, version_id, machine,
    CASE WHEN state <> 8 THEN output END, output_type,
    CASE WHEN state <> 8 THEN error ELSE coalesce(last_error, error) END,
    coalesce(new_metadata, metadata), metadata_type, metadata_version + (new_metadata IS NOT NULL)::int, hist || record, $15::timestamptz
  FROM gone
), doomed AS MATERIALIZED (
  SELECT k.env_id, k.task, k.key_hash FROM gone g
  CROSS JOIN LATERAL (
    SELECT k.env_id, k.task, k.key_hash FROM run_ops.idempotency_key k
    WHERE g.free_key AND g.final_status <> 12 AND k.env_id = g.env_id AND k.task = g.task AND k.key_hash = g.idempotency_hash AND k.run_id = g.id
    FOR UPDATE
  ) k
), freed AS (
  DELETE FROM run_ops.idempotency_key k USING doomed x WHERE k.env_id = x.env_id AND k.task = x.task AND k.key_hash = x.key_hash
), cascade AS (
  INSERT INTO run_ops.cancel_cascade (run_id, env_id, created_at) SELECT id, env_id, $15::timestamptz FROM gone WHERE final_status = 12 AND state <> 8
  ON CONFLICT (run_id) DO NOTHING
)
SELECT g.id, g.created_at, g.env_id, g.task, g.queue, g.ck, g.region, g.score, g.state, g.status, g.seq, g.attempt, g.attempt_seq, g.deliveries, g.flags, g.version_id,
  g.machine, g.parent_id, g.due_at, g.queued_at, g.started_at, g.updated_at, g.usage_ms, g.cost, g.final_status, x.epoch AS held_epoch
FROM (SELECT (SELECT epoch FROM held) AS epoch) x LEFT JOIN gone g ON true
