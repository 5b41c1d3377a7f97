-- Adds a deployment in phase queued with its open step, and takes the artifact that it was made from.
-- $1 text id, $2 text project, $3 text environment, $4 text short code, $5 text version, $6 text content hash, $7 text runtime or null,
-- $8 boolean made from a bundle, $9 text config file or null, $10 text artifact key or null, $11 text bundle key or null,
-- $12 boolean skip promotion, $13 bytea sealed build variables or null, $14 text user or null, $15 text triggered via or null,
-- $16 text commit or null, $17 jsonb git or null, $18 text external id or null, $19 text request key or null,
-- $20 text deployment that this repeats or null, $21 timestamptz now.
-- Returns nothing.
WITH added AS (
  INSERT INTO deployment (id, project_id, environment_id, short_code, version, content_hash, phase, status, runtime, from_bundle,
                          config_file_path, artifact_key, bundle_key, skip_promotion, build_env_vars_cipher, triggered_by_id, triggered_via,
                          commit_sha, git, external_id, request_key, redeploy_of_id, created_at, updated_at)
  VALUES ($1, $2, $3, $4, $5, $6, 'queued', 'PENDING', $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $21)
  RETURNING id
), taken AS (
  UPDATE artifact SET state = 'consumed', consumed_at = $21 WHERE key = $10
)
INSERT INTO deployment_step (deployment_id, step, started_at) SELECT id, 'queued', $21 FROM added
