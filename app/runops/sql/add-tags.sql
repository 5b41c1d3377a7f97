-- Adds tags to a run unless that would make too many.
--
-- $1 env, $2 id, $3 its created_at, $4 tags, each once, $5 most tags
-- Returns nothing when the run is unknown; else `changed`, and the tags when it is true (existing ones first, in their order).
WITH r AS MATERIALIZED (
  SELECT id, created_at, coalesce(tags, '{}') AS tags FROM run_ops.run WHERE env_id = $1 AND id = $2 AND created_at = $3 FOR UPDATE
), union_of AS (
  SELECT r.id, r.created_at, r.tags || ARRAY(SELECT t FROM unnest($4::text[]) WITH ORDINALITY AS n(t, at) WHERE t <> ALL (r.tags) ORDER BY at) AS tags FROM r
), u AS (
  UPDATE run_ops.run h SET tags = x.tags FROM union_of x
  WHERE h.id = x.id AND h.created_at = x.created_at AND cardinality(x.tags) <= $5::int RETURNING h.tags
)
SELECT u.tags, u.tags IS NOT NULL AS changed FROM r LEFT JOIN u ON true
