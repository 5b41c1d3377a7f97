-- How many deployments of an environment are on their way.
-- $1 text environment, $2 text[] statuses. Reads deployment_environment_id_status_id_idx.
-- Returns one row {deploying}.
SELECT count(*)::int AS deploying FROM deployment WHERE environment_id = $1 AND status = ANY ($2)
