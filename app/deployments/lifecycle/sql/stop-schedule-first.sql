-- Plans the stop of a deployment that is running and has no plan.
-- $1 text deployment, $2 text nonce, $3 timestamptz when.
-- Returns nothing.
INSERT INTO scheduled_state_change (deployment_id, nonce, to_state, due_at)
SELECT id, $2, 'stopped', $3 FROM deployment WHERE id = $1 AND phase = 'ready' AND desired_state = 'running'
ON CONFLICT (deployment_id) DO NOTHING
