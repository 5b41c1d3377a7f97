-- Removes what failed before a version was woken: agents try again, and an old failure must not be taken for a new one.
-- $1 text: deployment.
DELETE FROM deployment_instance WHERE deployment_id = $1 AND state = 'failed'
