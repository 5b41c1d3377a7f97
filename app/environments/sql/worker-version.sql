-- One worker version with its tasks.
-- $1 text: id of the version, or null. $2 text: environment, with $3 text: version, when $1 is null.
-- Returns one row a task (one row with null task columns for a version without tasks); at most 5,000.
SELECT w.id, w.environment_id, w.version, w.content_hash, w.sdk_version, w.cli_version, w.runtime, w.queue_names, w.created_at,
       t.slug, t.file_path, t.export_name, t.trigger_source, t.config
FROM worker_version w
LEFT JOIN task t ON t.worker_version_id = w.id
WHERE ($1::text IS NOT NULL AND w.id = $1) OR ($1::text IS NULL AND w.environment_id = $2 AND w.version = $3)
ORDER BY t.slug
LIMIT 5000
