-- One page of an environment's deployments with what a row of the list shows. {direction} is replaced by DESC or ASC.
-- $1 text environment, $2 text[] shown statuses or null (phases, and timed_out), $3 text branch or null,
-- $4 text[] patterns of triggered_via or null, $5 text[] patterns that are left out, $6 boolean also those without triggered_via,
-- $7 text only older than this id or null, $8 text only newer than this id or null, $9 timestamptz instances count from,
-- $10 integer rows. Reads deployment_environment_id_id_idx in order and stops after the page.
-- Returns rows of `ListedDeployment`.
SELECT d.id, d.version, d.short_code AS "shortCode", d.phase, d.status, d.desired_state AS "desiredState",
       d.worker_version_id IS NOT NULL AS "hasWorker", d.release_digest IS NOT NULL AS "hasRelease", d.skip_promotion AS "skipPromotion",
       d.git, d.commit_sha AS "commitSha", d.triggered_via AS "triggeredVia", d.canceled_reason AS "canceledReason",
       d.failure_step AS "failureStep", d.created_at AS "createdAt", d.deployed_at AS "deployedAt",
       coalesce(d.failed_at, d.canceled_at, d.deployed_at) AS "endedAt",
       EXISTS (SELECT 1 FROM artifact a WHERE a.key = d.bundle_key AND a.state IN ('uploaded', 'consumed')) AS "bundleThere",
       (SELECT count(*)::int FROM task t WHERE t.worker_version_id = d.worker_version_id) AS tasks,
       coalesce((SELECT json_agg(json_build_object('step', s.step, 'startedAt', s.started_at, 'endedAt', s.ended_at,
                                                   'failed', s.error IS NOT NULL, 'errorSummary', s.error_summary) ORDER BY s.started_at)
                 FROM deployment_step s WHERE s.deployment_id = d.id), '[]') AS steps,
       coalesce((SELECT json_agg(json_build_object('region', r.name, 'wanted', CASE t.desired_status WHEN 'running' THEN t.desired_replicas ELSE 0 END,
                                                   'running', (SELECT count(*) FROM deployment_instance i
                                                               WHERE i.deployment_id = t.deployment_id AND i.region_id = t.region_id
                                                                 AND i.state = 'running' AND i.last_seen_at >= $9)) ORDER BY r.name)
                 FROM deployment_topology t JOIN region r ON r.id = t.region_id WHERE t.deployment_id = d.id), '[]') AS regions
FROM deployment d
WHERE d.environment_id = $1
  AND ($2::text[] IS NULL OR CASE WHEN d.status = 'TIMED_OUT' THEN 'timed_out' ELSE d.phase END = ANY ($2))
  AND ($3::text IS NULL OR d.git ->> 'commitRef' = $3)
  AND ($4::text[] IS NULL OR (d.triggered_via LIKE ANY ($4) AND d.triggered_via <> ALL ($5)) OR ($6 AND d.triggered_via IS NULL))
  AND ($7::text IS NULL OR d.id < $7)
  AND ($8::text IS NULL OR d.id > $8)
ORDER BY d.id {direction}
LIMIT $10
