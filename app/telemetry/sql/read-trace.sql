-- Events of one trace in one environment, oldest first.
-- $1 environment id, $2 trace id (hex), $3 and $4 nanoseconds from (inclusive) and until (exclusive), $5 most rows,
-- $6 rows that come with attributes, $7 most bytes of attributes of a row (larger ones are read with the span).
-- Times come back as milliseconds with fractions (whole microseconds: nanoseconds exceed a double). The bounds on ts prune partitions.
SELECT encode(e.span_id, 'hex') AS id, encode(e.parent_span_id, 'hex') AS parent_id, e.run_id, e.kind, e.level, e.is_error, e.attempt,
       (e.ts / 1000)::float8 / 1e3 AS start_ms, e.duration::float8 / 1e6 AS duration_ms, e.message,
       CASE WHEN row_number() OVER (ORDER BY e.ts, e.kind) <= $6 AND octet_length(e.attrs) <= $7 THEN e.attrs END AS attrs,
       CASE WHEN row_number() OVER (ORDER BY e.ts, e.kind) <= $6 AND octet_length(e.events) <= $7 THEN e.events END AS events
FROM run_ops.event AS e
WHERE e.trace_id = decode($2, 'hex') AND e.ts >= $3::bigint AND e.ts < $4::bigint AND e.env_id = $1
ORDER BY e.ts, e.kind
LIMIT $5
