-- Agents of a region that were heard of lately and run replicas.
-- $1 text: region. $2 timestamptz: seen at or after.
SELECT id, slots FROM agent WHERE region_id = $1 AND last_seen_at >= $2 AND capabilities -> 'roles' ? 'runner' ORDER BY id
