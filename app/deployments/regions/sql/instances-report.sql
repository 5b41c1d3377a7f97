-- What an agent reports, stored; only its own rows are touched, and unchanged rows are not written (writes wake the pages).
-- $1 agent, $2 region, $3 now
-- $4..$10 one array per column: id for a new row, runner, deployment, pid, state, message, restarts. Deployments exist, no runner twice.
-- Returns `deployment_id` of every instance that came, went or changed.
WITH reported AS (
  SELECT * FROM unnest($4::text[], $5::text[], $6::text[], $7::int[], $8::text[], $9::text[], $10::int[])
    AS r(id, runner_id, deployment_id, pid, state, message, restarts)
), gone AS (
  DELETE FROM deployment_instance i WHERE i.agent_id = $1 AND NOT EXISTS (SELECT 1 FROM reported r WHERE r.runner_id = i.runner_id)
  RETURNING i.deployment_id
), stored AS (
  INSERT INTO deployment_instance AS i (id, deployment_id, region_id, agent_id, runner_id, pid, state, message, restarts, last_seen_at)
  SELECT id, deployment_id, $2, $1, runner_id, pid, state, message, restarts, $3 FROM reported
  ON CONFLICT (agent_id, runner_id) DO UPDATE
  SET deployment_id = excluded.deployment_id, pid = excluded.pid, state = excluded.state, message = excluded.message,
      restarts = excluded.restarts, last_seen_at = excluded.last_seen_at
  WHERE (i.deployment_id, i.pid, i.state, i.message, i.restarts)
    IS DISTINCT FROM (excluded.deployment_id, excluded.pid, excluded.state, excluded.message, excluded.restarts)
  RETURNING i.deployment_id
)
SELECT deployment_id FROM gone UNION SELECT deployment_id FROM stored
