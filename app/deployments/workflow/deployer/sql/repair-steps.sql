-- Closes steps that are open although their deployment has ended, with what the deployment says about its end.
-- $1 timestamptz now.
-- Returns nothing.
UPDATE deployment_step s SET ended_at = $1,
  error = CASE WHEN d.phase IN ('ready', 'stopped') THEN NULL ELSE coalesce(
    d.error_data ->> 'message' || coalesce(E'\n' || (
      SELECT string_agg('  ' || (c ->> 'name') || ': ' || (c ->> 'message'), E'\n') FROM jsonb_array_elements(d.error_data -> 'causes') AS c
    ), ''), d.canceled_reason, 'The deployment has ended.') END,
  error_summary = CASE WHEN d.phase IN ('ready', 'stopped') THEN NULL
    ELSE left(coalesce(d.error_data ->> 'message', d.canceled_reason, 'The deployment has ended.'), 512) END
FROM deployment d
WHERE d.id = s.deployment_id AND s.ended_at IS NULL
  AND d.phase IN ('ready', 'stopped', 'failed', 'cancelled', 'superseded', 'skipped')
