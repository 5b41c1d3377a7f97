-- Deploy settings of an environment; a branch without its own has its parent's.
-- $1 text environment, $2 text parent or null.
-- Returns one row under the names of `DeploySettings`, or none (then the defaults hold).
SELECT build_path AS "buildPath", auto_promote AS "autoPromote", readiness, hold_response AS "holdResponse",
       supersede_queued AS "supersedeQueued", concurrent_builds AS "concurrentBuilds", process_keep_alive AS "processKeepAlive"
FROM deploy_setting WHERE environment_id IN ($1, $2)
ORDER BY environment_id = $1 DESC LIMIT 1
