-- The deployment of a worker version that ended well, with the regions that hold its release.
-- $1 text: worker version.
SELECT d.id, d.worker_version_id, d.version, d.release_digest,
       ARRAY(SELECT r.name FROM version_route v JOIN region r ON r.id = v.region_id WHERE v.deployment_id = d.id) AS regions
FROM deployment d WHERE d.worker_version_id = $1 AND d.status = 'DEPLOYED' ORDER BY d.id DESC LIMIT 1
