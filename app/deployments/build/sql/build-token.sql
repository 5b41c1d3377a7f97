-- The build that a token belongs to, while it may act: it is claimed, no newer attempt was made, its deployment is under way.
-- $1 bytea hash of the token, $2 text[] phases that are under way.
-- Returns {deploymentId, environmentId, attempt} or nothing.
SELECT j.deployment_id AS "deploymentId", d.environment_id AS "environmentId", j.attempt
FROM build_job j JOIN deployment d ON d.id = j.deployment_id
WHERE j.state = 'claimed' AND j.token_hash = $1 AND d.phase = ANY($2::text[])
  AND NOT EXISTS (SELECT 1 FROM build_job newer WHERE newer.deployment_id = j.deployment_id AND newer.attempt > j.attempt)
