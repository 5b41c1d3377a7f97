-- What the page of one deployment shows beside the columns of its row.
-- $1 text deployment.
-- Returns one row: {steps, bundleThere, bundleBytes, releaseBytes, supersededBy, redeployOf, triggeredBy, slotPosition, slotLine, jobState}.
SELECT coalesce((SELECT json_agg(json_build_object('step', s.step, 'startedAt', s.started_at, 'endedAt', s.ended_at, 'error', s.error,
                                                   'errorSummary', s.error_summary, 'outcome', s.outcome) ORDER BY s.started_at)
                 FROM deployment_step s WHERE s.deployment_id = d.id), '[]') AS steps,
       b.key IS NOT NULL AS "bundleThere", b.bytes AS "bundleBytes", r.bytes AS "releaseBytes",
       n.version AS "supersededBy", o.version AS "redeployOf", u.email AS "triggeredBy",
       (SELECT count(*)::int FROM build_slot w WHERE w.organization_id = l.organization_id AND w.state = 'waiting' AND l.state = 'waiting'
          AND (w.priority, w.enqueued_at, w.deployment_id) <= (l.priority, l.enqueued_at, l.deployment_id)) AS "slotPosition",
       (SELECT count(*)::int FROM build_slot w WHERE w.organization_id = l.organization_id AND w.state = 'waiting' AND l.state = 'waiting') AS "slotLine",
       (SELECT j.state FROM build_job j WHERE j.deployment_id = d.id ORDER BY j.attempt DESC LIMIT 1) AS "jobState"
FROM deployment d
LEFT JOIN artifact b ON b.key = d.bundle_key AND b.state IN ('uploaded', 'consumed')
LEFT JOIN release r ON r.digest = d.release_digest
LEFT JOIN deployment n ON n.id = d.superseded_by_id
LEFT JOIN deployment o ON o.id = d.redeploy_of_id
LEFT JOIN user_account u ON u.id = d.triggered_by_id
LEFT JOIN build_slot l ON l.deployment_id = d.id
WHERE d.id = $1
