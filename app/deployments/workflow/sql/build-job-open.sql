-- Opens a build job for builders to claim, unless one is open or has succeeded.
-- $1 text deployment, $2 text kind, $3 bigint epoch, $4 timestamptz now, $5 integer most attempts.
-- Returns {attempt} of the job that counts, or none when all attempts were used.
WITH newest AS (
  SELECT attempt, state FROM build_job WHERE deployment_id = $1 ORDER BY attempt DESC LIMIT 1
), kept AS (
  SELECT attempt FROM newest WHERE state IN ('waiting', 'claimed', 'succeeded', 'failed')
), opened AS (
  INSERT INTO build_job (deployment_id, attempt, kind, state, leader_epoch, created_at)
  SELECT $1, coalesce((SELECT attempt FROM newest), 0) + 1, $2, 'waiting', $3::bigint, $4
  WHERE NOT EXISTS (SELECT 1 FROM kept) AND coalesce((SELECT attempt FROM newest), 0) < $5::integer
  RETURNING attempt
)
SELECT attempt FROM kept UNION ALL SELECT attempt FROM opened
