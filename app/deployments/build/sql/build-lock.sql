-- Locks a build that an agent has, when it is the newest attempt and still claimed.
-- $1 text deployment, $2 integer attempt, $3 text agent.
-- Returns {deploymentId} or nothing.
SELECT j.deployment_id AS "deploymentId" FROM build_job j
WHERE j.deployment_id = $1 AND j.attempt = $2 AND j.agent_id = $3 AND j.state = 'claimed'
  AND NOT EXISTS (SELECT 1 FROM build_job newer WHERE newer.deployment_id = $1 AND newer.attempt > $2)
FOR UPDATE
