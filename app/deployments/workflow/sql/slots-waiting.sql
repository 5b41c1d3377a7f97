-- The line for build slots of an organization, with how many are given out.
-- $1 text organization.
-- Returns {deploymentId, cap, active} in the order in which slots are given: cap is what the environment's settings allow.
SELECT s.deployment_id AS "deploymentId",
       coalesce(own.concurrent_builds, parent.concurrent_builds, 1) AS cap,
       (SELECT count(*) FROM build_slot a WHERE a.organization_id = $1 AND a.state = 'active') AS active
FROM build_slot s
JOIN deployment d ON d.id = s.deployment_id
JOIN environment e ON e.id = d.environment_id
LEFT JOIN deploy_setting own ON own.environment_id = e.id
LEFT JOIN deploy_setting parent ON parent.environment_id = e.parent_id
WHERE s.organization_id = $1 AND s.state = 'waiting'
ORDER BY s.priority, s.enqueued_at, s.deployment_id
