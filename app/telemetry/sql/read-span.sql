-- All attributes and span events of one span or log line; the final row when there is one.
-- $1 environment id, $2 trace id (hex), $3 and $4 nanoseconds from and until, $5 span id (hex).
SELECT e.attrs, e.events
FROM run_ops.event AS e
WHERE e.trace_id = decode($2, 'hex') AND e.ts >= $3::bigint AND e.ts < $4::bigint AND e.env_id = $1 AND e.span_id = decode($5, 'hex')
ORDER BY e.kind = 1
LIMIT 1
