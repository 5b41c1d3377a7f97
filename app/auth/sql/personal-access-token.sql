-- The user of a personal access token, and the organizations that they are a member of now.
-- $1 bytea: SHA-256 of the token. $2 timestamptz: now.
-- Returns user_id, email, admin, organization_ids; at most one row. Notes the use at most once a minute.
WITH found AS (
  SELECT t.id, t.last_used_at, u.id AS user_id, u.email, u.admin
  FROM personal_access_token t
  JOIN user_account u ON u.id = t.user_id AND u.disabled_at IS NULL
  WHERE t.token_hash = $1 AND t.revoked_at IS NULL
), used AS (
  UPDATE personal_access_token t SET last_used_at = $2 FROM found
  WHERE t.id = found.id AND (found.last_used_at IS NULL OR found.last_used_at < $2::timestamptz - interval '1 minute')
)
SELECT found.user_id, found.email, found.admin,
       ARRAY(SELECT m.organization_id FROM org_member m
             JOIN organization o ON o.id = m.organization_id AND o.deleted_at IS NULL
             WHERE m.user_id = found.user_id ORDER BY o.created_at LIMIT 1000) AS organization_ids
FROM found
