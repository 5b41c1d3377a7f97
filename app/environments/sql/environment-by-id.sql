-- One environment with its project, organization and keys. A branch has no key: its parent's are returned.
-- $1 text: environment id. $2 timestamptz: now, for keys in grace.
-- Returns at most one row; archived environments and deleted projects are returned too, marked.
SELECT e.id, e.slug, e.type, e.branch_name, e.parent_id, e.max_concurrency, e.burst_factor,
       coalesce(e.paused_at, parent.paused_at) AS paused_at,
       coalesce(e.archived_at, parent.archived_at, p.deleted_at, o.deleted_at) AS archived_at,
       e.current_worker_id,
       coalesce(parent.id, e.id) AS key_owner_id,
       coalesce(parent.secret_key_cipher, e.secret_key_cipher) AS key_cipher,
       p.id AS project_id, p.external_ref, p.slug AS project_slug, p.name AS project_name, p.default_region,
       o.id AS organization_id, o.slug AS organization_slug, o.title AS organization_title,
       grace.ciphers AS grace_ciphers, grace.untils AS grace_untils
FROM environment e
JOIN project p ON p.id = e.project_id
JOIN organization o ON o.id = p.organization_id
LEFT JOIN environment parent ON parent.id = e.parent_id
LEFT JOIN LATERAL (
  SELECT array_agg(g.secret_key_cipher ORDER BY g.until DESC) AS ciphers, array_agg(g.until ORDER BY g.until DESC) AS untils
  FROM (
    SELECT k.secret_key_cipher, k.until FROM api_key_grace k
    WHERE k.environment_id = coalesce(e.parent_id, e.id) AND k.until > $2
    ORDER BY k.until DESC LIMIT 20
  ) g
) grace ON true
WHERE e.id = $1
