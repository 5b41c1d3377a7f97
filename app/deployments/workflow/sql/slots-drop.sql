-- Frees the slots of deployments that have ended, and slots whose lease ran out: their holder is not coming back.
-- $1 text organization, or null for all, $2 timestamptz now.
-- Returns {organizationId} of each slot that was dropped.
DELETE FROM build_slot s USING deployment d
WHERE d.id = s.deployment_id AND ($1::text IS NULL OR s.organization_id = $1)
  AND (d.phase IN ('ready', 'stopped', 'failed', 'cancelled', 'superseded', 'skipped') OR (s.state = 'active' AND s.lease_until < $2))
RETURNING s.organization_id AS "organizationId"
