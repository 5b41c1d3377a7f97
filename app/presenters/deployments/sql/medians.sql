-- How long each phase usually takes: the median of the last ten deployments of the environment that became ready.
-- $1 text environment, $2 text deployment: only older ones.
-- Returns rows {step, ms}; a phase without history has none.
SELECT s.step, percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM s.ended_at - s.started_at) * 1000) AS ms
FROM deployment_step s
-- An array, not a join: a join may be planned as a scan of every step there is.
WHERE s.deployment_id = ANY (ARRAY(SELECT id FROM deployment WHERE environment_id = $1 AND status = 'DEPLOYED' AND id < $2 ORDER BY id DESC LIMIT 10))
  AND s.ended_at IS NOT NULL AND s.error IS NULL
GROUP BY s.step
