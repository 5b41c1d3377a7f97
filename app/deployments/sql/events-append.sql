-- Appends events to a deployment. The counter in the deployment's row numbers them and keeps that row locked until the
-- transaction ends, so numbers become visible in their order; a deployment that does not exist gets none.
-- $1 text deployment, $2 text[] types, $3 text[] steps (null: none), $4 text[] levels, $5 text[] bodies.
-- Returns nothing.
WITH counter AS (
  UPDATE deployment SET event_seq = event_seq + cardinality($2::text[]) WHERE id = $1
  RETURNING event_seq - cardinality($2::text[]) AS base
)
INSERT INTO deployment_event (deployment_id, seq, type, step, level, body)
SELECT $1, counter.base + e.ordinality, e.type, e.step, e.level, e.body
FROM counter, unnest($2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS e (type, step, level, body, ordinality)
