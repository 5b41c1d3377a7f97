-- Creates a group of runs that carry no idempotency key, one-time token, parent, batch or other rare column.
--
-- $1..$20 one array per column, a row each, sorted by id: id, created_at, env, task, queue, region, payload, payload type,
--         trace id (hex), span id (hex), parent span id (hex), trace context, tags (array literal), is_test, options, state,
--         status, score, due_at, history
-- $21 request hash (null: none); no hash twice in a group
-- $22 now
-- $23 which table takes request hashes: 1 a, 2 a then b, 3 b, 4 b then a (see replayTurns.ts)
-- Returns only rows that did not lead to their own run: id, owner (the run that answers the request).
WITH d AS MATERIALIZED (
  SELECT u.*,
    CASE WHEN u.hash IS NULL THEN NULL
         WHEN $23::int IN (1, 2) THEN (SELECT s.run_id FROM run_ops.request_replay_b s WHERE s.hash = u.hash)
         ELSE (SELECT s.run_id FROM run_ops.request_replay_a s WHERE s.hash = u.hash) END AS seen
  FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::text[], $12::text[], $13::text[], $14::boolean[], $15::text[], $16::smallint[], $17::smallint[], $18::bigint[], $19::timestamptz[], $20::bytea[], $21::bytea[])
    AS u(id, created_at, env_id, task, queue, region, payload, payload_type, trace_id, span_id,
      parent_span_id, trace_context, tags, is_test, options, state, status, score, due_at, hist, hash)
), in_a AS (
  INSERT INTO run_ops.request_replay_a AS t (hash, run_id)
  SELECT hash, id FROM d WHERE $23::int IN (1, 2) AND hash IS NOT NULL AND seen IS NULL ORDER BY hash
  ON CONFLICT (hash) DO UPDATE SET run_id = t.run_id RETURNING t.hash, t.run_id
), in_b AS (
  INSERT INTO run_ops.request_replay_b AS t (hash, run_id)
  SELECT hash, id FROM d WHERE $23::int IN (3, 4) AND hash IS NOT NULL AND seen IS NULL ORDER BY hash
  ON CONFLICT (hash) DO UPDATE SET run_id = t.run_id RETURNING t.hash, t.run_id
), a_then_b AS (
  INSERT INTO run_ops.request_replay_b (hash, run_id) SELECT hash, run_id FROM in_a WHERE $23::int = 2 ORDER BY hash ON CONFLICT (hash) DO NOTHING
), b_then_a AS (
  INSERT INTO run_ops.request_replay_a (hash, run_id) SELECT hash, run_id FROM in_b WHERE $23::int = 4 ORDER BY hash ON CONFLICT (hash) DO NOTHING
), n AS MATERIALIZED (
  SELECT d.*, coalesce(d.seen, r.run_id, d.id) AS owner
  FROM d LEFT JOIN (SELECT hash, run_id FROM in_a UNION ALL SELECT hash, run_id FROM in_b) r ON r.hash = d.hash
), made AS (
  INSERT INTO run_ops.run (id, created_at, env_id, task, queue, region, payload, payload_type, trace_id, span_id, parent_span_id, trace_context, tags, is_test, options)
  SELECT id, created_at, env_id, task, queue, region, payload, payload_type, decode(trace_id, 'hex'), decode(span_id, 'hex'), decode(parent_span_id, 'hex'),
    trace_context, tags::text[], is_test, options
  FROM n WHERE owner = id ORDER BY id
  ON CONFLICT (id, created_at) DO NOTHING RETURNING id
), live AS (
  INSERT INTO run_ops.run_live (id, created_at, env_id, task, queue, region, score, state, status, seq, due_at, queued_at, updated_at, hist)
  SELECT n.id, n.created_at, n.env_id, n.task, n.queue, n.region, n.score, n.state, n.status, 1, n.due_at,
    CASE WHEN n.state = 2 THEN $22::timestamptz END, $22::timestamptz, n.hist
  FROM n JOIN made USING (id)
)
SELECT id, owner FROM n WHERE owner <> id
