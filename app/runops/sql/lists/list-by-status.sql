-- As list-by-time.sql, walking only runs that ended in one of the statuses $18 (all final).
--
-- $1 env, $2 and $3 created_at and id of the cursor (null: none), $4 older: true walks down from the cursor, false up,
-- $5 and $6 created_at from and to (null: open), $7 most rows to scan, $8 most matches to return, then filters (null: none):
-- $9 tasks, $10 queues, $11 regions, $12 tags, $13 is_test, $14 roots only, $15 batch, $16 schedule, $17 parent, $18 statuses, $19 versions, $20 machines
-- Returns matches in walking order, `scanned`, and the last id scanned, on at least one row (id null when nothing matches).
WITH k AS MATERIALIZED (
  (SELECT q.id, q.created_at FROM unnest($18::smallint[]) AS s(status) CROSS JOIN LATERAL (
     SELECT q.id, q.created_at FROM run_ops.run_result q
     WHERE $4::boolean AND q.env_id = $1 AND q.status = s.status AND (q.created_at >= $5::timestamptz OR $5::timestamptz IS NULL) AND (q.created_at <= $6::timestamptz OR $6::timestamptz IS NULL)
       AND ($2::timestamptz IS NULL OR (q.created_at <= $2::timestamptz AND (q.created_at, q.id) < ($2::timestamptz, $3::text)))
     ORDER BY q.created_at DESC, q.id DESC LIMIT $7::int) q
   ORDER BY q.created_at DESC, q.id DESC LIMIT $7::int)
  UNION ALL
  (SELECT q.id, q.created_at FROM unnest($18::smallint[]) AS s(status) CROSS JOIN LATERAL (
     SELECT q.id, q.created_at FROM run_ops.run_result q
     WHERE NOT $4::boolean AND q.env_id = $1 AND q.status = s.status AND (q.created_at >= $5::timestamptz OR $5::timestamptz IS NULL) AND (q.created_at <= $6::timestamptz OR $6::timestamptz IS NULL)
       AND ($2::timestamptz IS NULL OR (q.created_at >= $2::timestamptz AND (q.created_at, q.id) > ($2::timestamptz, $3::text)))
     ORDER BY q.created_at, q.id LIMIT $7::int) q
   ORDER BY q.created_at, q.id LIMIT $7::int)
), w AS MATERIALIZED (
  SELECT r.id, r.created_at, r.task, r.queue, r.region, r.tags, r.is_test, r.parent_id, r.batch_id, r.schedule_id FROM k JOIN run_ops.run r ON r.id = k.id AND r.created_at = k.created_at
), m AS (
  SELECT w.id, w.created_at FROM w
  WHERE true
    AND ($9::text[] IS NULL OR w.task = ANY ($9::text[]))
    AND ($10::text[] IS NULL OR w.queue = ANY ($10::text[]))
    AND ($11::text[] IS NULL OR w.region = ANY ($11::text[]))
    AND ($12::text[] IS NULL OR w.tags @> $12::text[])
    AND ($13::boolean IS NULL OR w.is_test = $13::boolean)
    AND (NOT $14::boolean OR w.parent_id IS NULL)
    AND ($15::text IS NULL OR w.batch_id = $15::text)
    AND ($16::text IS NULL OR w.schedule_id = $16::text)
    AND ($17::text IS NULL OR w.parent_id = $17::text)
    AND ($18::smallint[] IS NULL OR coalesce((SELECT l.status FROM run_ops.run_live l WHERE l.id = w.id),
      (SELECT q.status FROM run_ops.run_result q WHERE q.id = w.id AND q.created_at = w.created_at)) = ANY ($18::smallint[]))
    AND ($19::text[] IS NULL OR coalesce((SELECT l.version_id FROM run_ops.run_live l WHERE l.id = w.id),
      (SELECT q.version_id FROM run_ops.run_result q WHERE q.id = w.id AND q.created_at = w.created_at)) = ANY ($19::text[]))
    AND ($20::text[] IS NULL OR coalesce((SELECT l.machine FROM run_ops.run_live l WHERE l.id = w.id),
      (SELECT q.machine FROM run_ops.run_result q WHERE q.id = w.id AND q.created_at = w.created_at)) = ANY ($20::text[]))
  ORDER BY CASE WHEN $4::boolean THEN w.created_at END DESC, CASE WHEN $4::boolean THEN w.id END DESC, w.created_at, w.id
  LIMIT $8::int
)
SELECT m.id, x.scanned, x.last_id
FROM (SELECT count(*) AS scanned, CASE WHEN $4::boolean THEN (array_agg(id ORDER BY created_at, id))[1] ELSE (array_agg(id ORDER BY created_at DESC, id DESC))[1] END AS last_id FROM w) x
LEFT JOIN m ON true
ORDER BY CASE WHEN $4::boolean THEN m.created_at END DESC, CASE WHEN $4::boolean THEN m.id END DESC, m.created_at, m.id
