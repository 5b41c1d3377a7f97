-- Takes or keeps the lease of the deployer, and claims the deployments that are on their way. The epoch grows whenever the
-- lease is taken anew, by whomever; keeping it names the epoch that is held.
-- A deployment that is locked right now is claimed by a later beat: whoever locked it last is not waited for.
-- $1 text this process, $2 bigint epoch that it holds or null, $3 integer milliseconds that the lease lasts.
-- Returns one row {epoch, working} (working: whether a deployment is on its way), or none when another process holds it.
WITH held AS (
  INSERT INTO deployer_lease (name, holder, epoch, lease_until)
  VALUES ('deployer', $1, 1, now() + make_interval(secs => $3::integer / 1000.0))
  ON CONFLICT (name) DO UPDATE SET
    epoch = deployer_lease.epoch + CASE WHEN deployer_lease.holder = $1 AND deployer_lease.epoch = $2::bigint THEN 0 ELSE 1 END,
    holder = $1,
    lease_until = EXCLUDED.lease_until
  WHERE (deployer_lease.holder = $1 AND deployer_lease.epoch = $2::bigint) OR deployer_lease.lease_until < now()
  RETURNING epoch
), claimed AS (
  UPDATE deployment SET leader_epoch = (SELECT epoch FROM held)
  WHERE id IN (
    SELECT id FROM deployment
    WHERE phase NOT IN ('ready', 'stopped', 'failed', 'cancelled', 'superseded', 'skipped') AND leader_epoch < (SELECT epoch FROM held)
    FOR NO KEY UPDATE SKIP LOCKED
  )
)
SELECT held.epoch, EXISTS (
  SELECT 1 FROM deployment
  WHERE phase NOT IN ('ready', 'stopped', 'failed', 'cancelled', 'superseded', 'skipped') AND phase <> 'awaiting_approval'
) AS working
FROM held
