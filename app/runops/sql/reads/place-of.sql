-- Environment and region of one run, live or final.
-- $1 text: id. $2 timestamptz: the time inside it.
-- Returns at most one row; the region of a live run is where it is handed out now.
SELECT r.env_id, coalesce(l.region, r.region) AS region
FROM run_ops.run r LEFT JOIN run_ops.run_live l ON l.id = r.id
WHERE r.id = $1 AND r.created_at = $2
