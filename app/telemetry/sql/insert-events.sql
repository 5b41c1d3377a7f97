-- Stores a batch of events.
-- $1..$14: arrays of equal length: trace id, span id, parent span id (hex text), start and duration (nanoseconds), run id,
--          environment id, kind, level, error flag, attempt, message, attributes, span events (JSON text).
-- Returns nothing. The commit does not wait for the disk: losing the last moments with the machine is accepted for
-- events, and the setting is local to the statement's transaction, so it works behind a pooler too.
INSERT INTO run_ops.event
  (trace_id, span_id, parent_span_id, ts, duration, run_id, env_id, kind, level, is_error, attempt, message, attrs, events)
SELECT decode(e.trace_id, 'hex'), decode(e.span_id, 'hex'), decode(e.parent_span_id, 'hex'), e.ts, e.duration, e.run_id, e.env_id,
       e.kind, e.level, e.is_error, e.attempt, e.message, e.attrs, e.events
FROM (SELECT set_config('synchronous_commit', 'off', true) AS value OFFSET 0) AS commit_mode
CROSS JOIN unnest(
  $1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
  $8::smallint[], $9::smallint[], $10::boolean[], $11::integer[], $12::text[], $13::text[], $14::text[]
) AS e (trace_id, span_id, parent_span_id, ts, duration, run_id, env_id, kind, level, is_error, attempt, message, attrs, events)
WHERE commit_mode.value = 'off'
