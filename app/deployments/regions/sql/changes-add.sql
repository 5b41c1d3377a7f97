-- Tells the agents of a region that the desired state of these deployments changed.
-- $1 text: region. $2 text[]: deployments. $3 timestamptz: now.
INSERT INTO deployment_change (region_id, deployment_id, created_at) SELECT $1, unnest($2::text[]), $3
