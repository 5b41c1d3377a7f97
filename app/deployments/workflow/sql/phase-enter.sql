-- Moves a deployment into a phase. The caller holds the row and has checked that the phase may follow.
-- $1 text deployment, $2 text phase, $3 text status, $4 timestamptz now, $5 bigint epoch.
-- Returns nothing.
UPDATE deployment SET
  phase = $2, status = $3, updated_at = $4, leader_epoch = $5::bigint,
  started_at = CASE WHEN $2 = 'starting' THEN coalesce(started_at, $4) ELSE started_at END,
  installed_at = CASE WHEN $2 = 'building' THEN coalesce(installed_at, $4) ELSE installed_at END
WHERE id = $1
