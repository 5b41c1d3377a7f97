-- Creates a group of runs, or finds the runs that answer instead. In this order, each step only for rows that the ones
-- before it let through: parent locked and judged, request replay looked up, one-time token consumed, idempotency key
-- claimed, request recorded, run created.
--
-- $1..$20 as in trigger-plain.sql
-- $21 request hash (null: none)   $22 now   $23 which table takes request hashes: 1 a, 2 a then b, 3 b, 4 b then a (see replayTurns.ts)
-- $24 ids of all parents, sorted, each once
-- $25..$42 one array per column: concurrency key, root id, parent id, parent created_at, depth, batch id, batch index, idempotency
--         key, its sha256, its expiry, schedule id, replay of, version id, metadata, metadata type, token hash, token expiry, reason
-- $43 true: a parent found neither live nor final is taken as it is (its result is gone); else the row answers `parent-moved`
-- No hash, key, token or id twice in a group.
-- Returns rows that did not simply lead to their own run: id, owner, kind (replayed, cached, token-used, parent-moved,
-- canceled), claimed (a key was claimed for a run that then was not created).
WITH parents AS MATERIALIZED (
  -- The share lock orders this group against a cancel of the parent, so that no child escapes the cascade.
  SELECT l.id, l.state FROM run_ops.run_live l WHERE l.id = ANY ($24::text[]) ORDER BY l.id FOR SHARE
), u AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::text[], $12::text[], $13::text[], $14::boolean[], $15::text[], $16::smallint[], $17::smallint[], $18::bigint[], $19::timestamptz[], $20::bytea[], $21::bytea[],
    $25::text[], $26::text[], $27::text[], $28::timestamptz[], $29::smallint[], $30::text[], $31::int[], $32::text[], $33::bytea[], $34::timestamptz[],
    $35::text[], $36::text[], $37::text[], $38::text[], $39::text[], $40::bytea[], $41::timestamptz[], $42::text[])
    AS u(id, created_at, env_id, task, queue, region, payload, payload_type, trace_id, span_id,
      parent_span_id, trace_context, tags, is_test, options, state, status, score, due_at, hist, hash,
      ck, root_id, parent_id, parent_created_at, depth, batch_id, batch_index, key, key_hash, key_expires_at,
      schedule_id, replay_of, version_id, metadata, metadata_type, token_hash, token_expires_at, reason)
), judged AS MATERIALIZED (
  SELECT u.*, p.state AS parent_state,
    CASE WHEN u.parent_id IS NULL OR p.id IS NOT NULL THEN NULL
         ELSE (SELECT r.status FROM run_ops.run_result r WHERE r.id = u.parent_id AND r.created_at = u.parent_created_at) END AS parent_result,
    CASE WHEN u.hash IS NULL THEN NULL
         WHEN $23::int IN (1, 2) THEN coalesce((SELECT s.run_id FROM run_ops.request_replay_b s WHERE s.hash = u.hash), (SELECT s.run_id FROM run_ops.request_replay_a s WHERE s.hash = u.hash))
         ELSE coalesce((SELECT s.run_id FROM run_ops.request_replay_a s WHERE s.hash = u.hash), (SELECT s.run_id FROM run_ops.request_replay_b s WHERE s.hash = u.hash)) END AS seen
  FROM u LEFT JOIN parents p ON p.id = u.parent_id
), d AS MATERIALIZED (
  SELECT judged.*,
    coalesce(parent_state = 8 OR parent_result = 12, false) AS parent_canceled,
    seen IS NULL AND parent_id IS NOT NULL AND parent_state IS NULL AND parent_result IS NULL AND NOT $43::boolean AS parent_moved
  FROM judged
), tokens AS (
  INSERT INTO run_ops.one_time_token AS t (env_id, token_hash, request_hash, run_id, expires_at)
  SELECT env_id, token_hash, hash, id, token_expires_at FROM d WHERE token_hash IS NOT NULL AND seen IS NULL AND NOT parent_moved ORDER BY env_id, token_hash
  ON CONFLICT (env_id, token_hash) DO UPDATE SET expires_at = t.expires_at RETURNING t.env_id, t.token_hash, t.request_hash, t.run_id
), admitted AS MATERIALIZED (
  SELECT d.*, seen IS NULL AND NOT parent_moved AND (d.token_hash IS NULL OR t.run_id = d.id OR coalesce(t.request_hash = d.hash, false)) AS admitted
  FROM d LEFT JOIN tokens t ON t.env_id = d.env_id AND t.token_hash = d.token_hash
), keys AS (
  INSERT INTO run_ops.idempotency_key AS t (env_id, task, key_hash, run_id, expires_at)
  SELECT env_id, task, key_hash, id, key_expires_at FROM admitted WHERE admitted AND key_hash IS NOT NULL ORDER BY env_id COLLATE "C", task COLLATE "C", key_hash
  ON CONFLICT (env_id, task, key_hash) DO UPDATE SET
    run_id = CASE WHEN t.expires_at <= $22::timestamptz THEN EXCLUDED.run_id ELSE t.run_id END,
    expires_at = CASE WHEN t.expires_at <= $22::timestamptz THEN EXCLUDED.expires_at ELSE t.expires_at END
  RETURNING t.env_id, t.task, t.key_hash, t.run_id
), keyed AS MATERIALIZED (
  SELECT a.*, coalesce(k.run_id, a.id) AS key_owner, k.run_id IS NOT NULL AS has_key
  FROM admitted a LEFT JOIN keys k ON k.env_id = a.env_id AND k.task = a.task AND k.key_hash = a.key_hash
), in_a AS (
  INSERT INTO run_ops.request_replay_a AS t (hash, run_id)
  SELECT hash, key_owner FROM keyed WHERE $23::int IN (1, 2) AND hash IS NOT NULL AND admitted ORDER BY hash
  ON CONFLICT (hash) DO UPDATE SET run_id = t.run_id RETURNING t.hash, t.run_id
), in_b AS (
  INSERT INTO run_ops.request_replay_b AS t (hash, run_id)
  SELECT hash, key_owner FROM keyed WHERE $23::int IN (3, 4) AND hash IS NOT NULL AND admitted ORDER BY hash
  ON CONFLICT (hash) DO UPDATE SET run_id = t.run_id RETURNING t.hash, t.run_id
), a_then_b AS (
  INSERT INTO run_ops.request_replay_b (hash, run_id) SELECT hash, run_id FROM in_a WHERE $23::int = 2 ORDER BY hash ON CONFLICT (hash) DO NOTHING
), b_then_a AS (
  INSERT INTO run_ops.request_replay_a (hash, run_id) SELECT hash, run_id FROM in_b WHERE $23::int = 4 ORDER BY hash ON CONFLICT (hash) DO NOTHING
), n AS MATERIALIZED (
  SELECT k.*, coalesce(k.seen, r.run_id, k.key_owner) AS owner,
    CASE WHEN k.seen IS NOT NULL OR r.run_id <> k.key_owner THEN 'replayed'
         WHEN k.parent_moved THEN 'parent-moved'
         WHEN NOT k.admitted THEN 'token-used'
         WHEN k.key_owner <> k.id THEN 'cached'
         WHEN k.parent_canceled THEN 'canceled'
         ELSE 'created' END AS kind
  FROM keyed k LEFT JOIN (SELECT hash, run_id FROM in_a UNION ALL SELECT hash, run_id FROM in_b) r ON r.hash = k.hash
), made AS (
  INSERT INTO run_ops.run (id, created_at, env_id, task, queue, ck, region, payload, payload_type, trace_id, span_id, parent_span_id, trace_context, tags, root_id, parent_id,
    depth, batch_id, batch_index, idempotency_key, schedule_id, replay_of, is_test, options)
  SELECT id, created_at, env_id, task, queue, ck, region, payload, payload_type, decode(trace_id, 'hex'), decode(span_id, 'hex'), decode(parent_span_id, 'hex'),
    trace_context, tags::text[], root_id, parent_id, depth, batch_id, batch_index, key, schedule_id, replay_of, is_test, options
  FROM n WHERE kind IN ('created', 'canceled') ORDER BY id
  ON CONFLICT (id, created_at) DO NOTHING RETURNING id
), live AS (
  INSERT INTO run_ops.run_live (id, created_at, env_id, task, queue, ck, region, score, state, status, seq, parked, version_id, parent_id, idempotency_hash, due_at, queued_at,
    updated_at, reason, hist, metadata, metadata_type)
  SELECT n.id, n.created_at, n.env_id, n.task, n.queue, n.ck, n.region, n.score, n.state, n.status, 1, n.status = 2, n.version_id, n.parent_id, n.key_hash, n.due_at,
    CASE WHEN n.state = 2 THEN $22::timestamptz END, $22::timestamptz, n.reason, n.hist, n.metadata, n.metadata_type
  FROM n JOIN made USING (id) WHERE n.kind = 'created'
), final AS (
  INSERT INTO run_ops.run_result (id, created_at, env_id, task, status, completed_at, attempts, final_seq, usage_ms, cost, version_id, hist, metadata, metadata_type, updated_at)
  SELECT n.id, n.created_at, n.env_id, n.task, 12, $22::timestamptz, 0, 1, 0, 0, n.version_id, set_byte(n.hist, 0, 9), n.metadata, n.metadata_type, $22::timestamptz
  FROM n JOIN made USING (id) WHERE n.kind = 'canceled'
)
SELECT id, owner, kind, has_key AND key_owner = id AND kind = 'replayed' AS claimed FROM n WHERE kind <> 'created'
