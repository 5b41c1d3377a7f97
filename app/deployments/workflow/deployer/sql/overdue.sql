-- Deployments whose open step has passed its deadline by long enough that their workflow will not say so any more.
-- $1 timestamptz now, $2 text[] steps, $3 bigint[] milliseconds that each may take, with the grace.
-- Returns {id, phase, minutes}: the armed phase is checked again before the deployment is ended.
SELECT d.id, d.phase, greatest(1, round(extract(epoch FROM $1::timestamptz - s.started_at) / 60))::integer AS minutes
FROM deployment d
JOIN deployment_step s ON s.deployment_id = d.id AND s.step = d.phase AND s.ended_at IS NULL
JOIN unnest($2::text[], $3::bigint[]) AS limits (step, ms) ON limits.step = s.step
WHERE d.phase NOT IN ('ready', 'stopped', 'failed', 'cancelled', 'superseded', 'skipped')
  AND s.started_at + make_interval(secs => limits.ms / 1000.0) < $1::timestamptz
