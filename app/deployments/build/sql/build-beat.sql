-- Renews the lease of a build that its agent still has, and that of its slot when it has run for a minute; tells how things stand.
-- $1 text deployment, $2 integer attempt, $3 text agent, $4 timestamptz end of the lease, $5 timestamptz end of the slot's lease.
-- Returns one row {held, phase, cancelReason, cancelRequested, registered, bundled}, or nothing without the deployment.
WITH beat AS (
  UPDATE build_job j SET lease_until = $4
  WHERE j.deployment_id = $1 AND j.attempt = $2 AND j.agent_id = $3 AND j.state = 'claimed'
    AND NOT EXISTS (SELECT 1 FROM build_job newer WHERE newer.deployment_id = $1 AND newer.attempt > $2)
  RETURNING 1
), slot AS (
  UPDATE build_slot SET lease_until = $5
  WHERE deployment_id = $1 AND state = 'active' AND lease_until < $5::timestamptz - interval '1 minute' AND EXISTS (SELECT 1 FROM beat)
)
SELECT EXISTS (SELECT 1 FROM beat) AS held, d.phase, d.cancel_requested_at IS NOT NULL AS "cancelRequested",
       coalesce(d.cancel_reason, d.canceled_reason) AS "cancelReason",
       d.worker_version_id IS NOT NULL AS registered, d.bundle_key IS NOT NULL AS bundled
FROM deployment d WHERE d.id = $1
