-- Registers an agent, or takes what it says of itself now.
-- $1 id for a new one, $2 region, $3 instance name, $4 jsonb capabilities, $5 slots, $6 now.
-- Returns its id.
INSERT INTO agent (id, region_id, instance_name, capabilities, slots, last_seen_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $6)
ON CONFLICT (region_id, instance_name) DO UPDATE
SET capabilities = excluded.capabilities, slots = excluded.slots, last_seen_at = greatest(agent.last_seen_at, excluded.last_seen_at)
RETURNING id
