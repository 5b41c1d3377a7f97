-- The user of a dashboard session, and the organizations that they are a member of now.
-- $1 bytea: SHA-256 of the cookie's token. $2 timestamptz: now.
-- Returns user_id, email, admin, organization_ids; at most one row.
SELECT u.id AS user_id, u.email, u.admin,
       ARRAY(SELECT m.organization_id FROM org_member m
             JOIN organization o ON o.id = m.organization_id AND o.deleted_at IS NULL
             WHERE m.user_id = u.id ORDER BY o.created_at LIMIT 1000) AS organization_ids
FROM dashboard_session s
JOIN user_account u ON u.id = s.user_id AND u.disabled_at IS NULL
WHERE s.token_hash = $1 AND s.expires_at > $2
