-- Writes all deploy settings of an environment.
-- $1 text environment, $2 text build path, $3 boolean auto promote, $4 text readiness, $5 boolean hold response,
-- $6 boolean supersede queued, $7 integer concurrent builds, $8 boolean keep processes alive.
-- Returns nothing.
INSERT INTO deploy_setting (environment_id, build_path, auto_promote, readiness, hold_response, supersede_queued, concurrent_builds, process_keep_alive)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (environment_id) DO UPDATE SET
  build_path = EXCLUDED.build_path, auto_promote = EXCLUDED.auto_promote, readiness = EXCLUDED.readiness,
  hold_response = EXCLUDED.hold_response, supersede_queued = EXCLUDED.supersede_queued,
  concurrent_builds = EXCLUDED.concurrent_builds, process_keep_alive = EXCLUDED.process_keep_alive
