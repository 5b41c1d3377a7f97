-- Lines of a deployment's log, oldest first.
-- $1 text deployment, $2 text phase or null for all, $3 bigint after this line, $4 bigint before this line or null, $5 integer rows.
-- Returns rows {seq, at, step, level, body}.
SELECT e.seq, e.at, e.step, e.level, e.body
FROM deployment_event e
WHERE e.deployment_id = $1 AND ($2::text IS NULL OR e.step = $2) AND e.seq > $3 AND ($4::bigint IS NULL OR e.seq < $4)
ORDER BY e.seq
LIMIT $5
