-- Writes a worker version with its tasks and queues. Limits from code change `base_limit` only: an override or a pause stays.
-- $1 text id, $2 text environment, $3 text version, $4 text content hash, $5 text sdk, $6 text cli, $7 text runtime or null,
-- $8 text runtime version or null, $9 boolean lazy attempts, $10 text[] queue names, $11 jsonb metadata, $12 timestamptz now,
-- $13 jsonb tasks [{id, slug, filePath, exportName, triggerSource, config}], $14 jsonb queues [{id, name, type, limit}].
-- Returns nothing.
WITH worker AS (
  INSERT INTO worker_version (id, environment_id, version, content_hash, sdk_version, cli_version, runtime, runtime_version,
                              supports_lazy_attempts, queue_names, metadata, created_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
  RETURNING id
), tasks AS (
  INSERT INTO task (id, worker_version_id, environment_id, slug, file_path, export_name, trigger_source, config, created_at)
  SELECT t.id, worker.id, $2, t.slug, t."filePath", t."exportName", t."triggerSource", t.config, $12
  FROM worker, jsonb_to_recordset($13::jsonb) AS t(id text, slug text, "filePath" text, "exportName" text, "triggerSource" text, config jsonb)
)
INSERT INTO queue (id, environment_id, name, type, base_limit, created_at, updated_at)
SELECT q.id, $2, q.name, q.type, q."limit", $12, $12
FROM jsonb_to_recordset($14::jsonb) AS q(id text, name text, type text, "limit" int)
ORDER BY q.name
ON CONFLICT (environment_id, name) DO UPDATE SET base_limit = EXCLUDED.base_limit, updated_at = EXCLUDED.updated_at
WHERE queue.base_limit IS DISTINCT FROM EXCLUDED.base_limit
