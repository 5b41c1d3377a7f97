-- Compare-and-set of a run's metadata, in its live row or in its result.
--
-- $1 env, $2 id, $3 its created_at, $4 metadata, $5 version expected, $6 now
WITH live AS (
  UPDATE run_ops.run_live SET metadata = $4, metadata_version = metadata_version + 1, updated_at = $6::timestamptz
  WHERE id = $2 AND env_id = $1 AND metadata_version = $5::int RETURNING 1
), final AS (
  UPDATE run_ops.run_result SET metadata = $4, metadata_version = metadata_version + 1, updated_at = $6::timestamptz
  WHERE id = $2 AND created_at = $3 AND env_id = $1 AND metadata_version = $5::int RETURNING 1
)
SELECT (SELECT count(*) FROM live) + (SELECT count(*) FROM final) AS changed
