-- The columns of a deployment under the names of `DeploymentRecord`, for a row named d. Not a statement by itself. No parameters.
d.id, d.project_id AS "projectId", d.environment_id AS "environmentId", d.short_code AS "shortCode", d.version,
d.content_hash AS "contentHash", d.phase, d.status, d.desired_state AS "desiredState", d.runtime, d.runtime_version AS "runtimeVersion",
d.image_reference AS "imageReference", d.worker_version_id AS "workerVersionId", d.from_bundle AS "fromBundle",
d.config_file_path AS "configFilePath", d.artifact_key AS "artifactKey", d.bundle_key AS "bundleKey", d.release_digest AS "releaseDigest",
d.skip_promotion AS "skipPromotion", d.triggered_by_id AS "triggeredById", d.triggered_via AS "triggeredVia", d.commit_sha AS "commitSha",
d.git, d.external_id AS "externalId", d.request_key AS "requestKey", d.hold_requests AS "holdRequests",
d.redeploy_of_id AS "redeployOfId", d.superseded_by_id AS "supersededById", d.leader_epoch AS "leaderEpoch",
d.cancel_requested_at AS "cancelRequestedAt", d.cancel_reason AS "cancelReason", d.canceled_reason AS "canceledReason",
d.failure_step AS "failureStep", d.failure_code AS "failureCode", d.error_data AS "errorData", d.created_at AS "createdAt",
d.started_at AS "startedAt", d.installed_at AS "installedAt", d.built_at AS "builtAt", d.deployed_at AS "deployedAt",
d.failed_at AS "failedAt", d.canceled_at AS "canceledAt"
