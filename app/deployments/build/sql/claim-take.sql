-- Gives a locked build to an agent.
-- $1 text deployment, $2 integer attempt, $3 text agent, $4 bytea hash of the token, $5 timestamptz end of the lease.
-- Returns nothing.
UPDATE build_job SET state = 'claimed', agent_id = $3, token_hash = $4, lease_until = $5 WHERE deployment_id = $1 AND attempt = $2
