-- Result rows by id. $1 ids, $2 their created_at; without the history.
SELECT r.id, r.env_id, r.task, r.status, r.completed_at, r.queued_at, r.started_at, r.executed_at, r.attempts, r.attempt_seq, r.final_seq, r.usage_ms, r.cost, r.version_id,
  r.machine, r.output, r.output_type, r.error, r.metadata, r.metadata_type, r.metadata_version, r.updated_at
FROM unnest($1::text[], $2::timestamptz[]) AS d(id, created_at)
JOIN run_ops.run_result r ON r.id = d.id AND r.created_at = d.created_at
