-- Creates a group of runs that carry no idempotency key, one-time token, parent, batch or other rare column. Its inserts
-- are plain, because ON CONFLICT writes every row twice in the log: a run or a request that exists already fails the
-- statement with a unique violation, and the group goes through trigger.sql.
--
-- $1..$20 one array per column, a row each, sorted by id: id, created_at, env, task, queue, region, payload, payload type,
--         trace id (hex), span id (hex), parent span id (hex), trace context, tags (array literal), is_test, options, state,
--         status, score, due_at, history
-- $21 request hash (null: none); no hash twice in a group
-- $22 now
-- $23 which table takes request hashes: 1 a, 3 b (see replayTurns.ts; the handover belongs to trigger.sql)
-- Returns rows of repeated requests from the turn before: id, owner (the run that answers).
WITH d AS MATERIALIZED (
  SELECT u.*,
    CASE WHEN u.hash IS NULL THEN NULL
         WHEN $23::int = 1 THEN (SELECT s.run_id FROM run_ops.request_replay_b s WHERE s.hash = u.hash)
         ELSE (SELECT s.run_id FROM run_ops.request_replay_a s WHERE s.hash = u.hash) END AS seen
  FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::text[], $12::text[], $13::text[], $14::boolean[], $15::text[], $16::smallint[], $17::smallint[], $18::bigint[], $19::timestamptz[], $20::bytea[], $21::bytea[])
    AS u(id, created_at, env_id, task, queue, region, payload, payload_type, trace_id, span_id,
      parent_span_id, trace_context, tags, is_test, options, state, status, score, due_at, hist, hash)
), in_a AS (
  INSERT INTO run_ops.request_replay_a (hash, run_id) SELECT hash, id FROM d WHERE $23::int = 1 AND hash IS NOT NULL AND seen IS NULL ORDER BY hash
), in_b AS (
  INSERT INTO run_ops.request_replay_b (hash, run_id) SELECT hash, id FROM d WHERE $23::int = 3 AND hash IS NOT NULL AND seen IS NULL ORDER BY hash
), made AS (
  INSERT INTO run_ops.run (id, created_at, env_id, task, queue, region, payload, payload_type, trace_id, span_id, parent_span_id, trace_context, tags, is_test, options)
  SELECT id, created_at, env_id, task, queue, region, payload, payload_type, decode(trace_id, 'hex'), decode(span_id, 'hex'), decode(parent_span_id, 'hex'),
    trace_context, tags::text[], is_test, options
  FROM d WHERE seen IS NULL
), live AS (
  INSERT INTO run_ops.run_live (id, created_at, env_id, task, queue, region, score, state, status, seq, due_at, queued_at, updated_at, hist)
  SELECT id, created_at, env_id, task, queue, region, score, state, status, 1, due_at, CASE WHEN state = 2 THEN $22::timestamptz END, $22::timestamptz, hist
  FROM d WHERE seen IS NULL
)
SELECT id, seen AS owner FROM d WHERE seen IS NOT NULL
