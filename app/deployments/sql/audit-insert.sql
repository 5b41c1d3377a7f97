-- Adds one line to the audit log.
-- $1 text id, $2 timestamptz when, $3 text event, $4 text actor type, $5 text actor id, $6 text actor name or null, $7 text ip or null,
-- $8 text user agent or null, $9 text correlation id or null, $10 text organization, $11 text project, $12 text environment,
-- $13 text deployment or null, $14 jsonb meta or null.
-- Returns nothing.
INSERT INTO audit_log (id, at, event, actor_type, actor_id, actor_name, ip, user_agent, correlation_id,
                       organization_id, project_id, environment_id, deployment_id, meta)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
