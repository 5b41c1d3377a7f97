-- The last lines of each phase of a deployment. Lines without a phase belong to the phase before them.
-- $1 text deployment, $2 integer lines of each phase, $3 integer longest text in characters.
-- Returns rows {step (null: before any phase), total, warnings, errors, firstSeq, lines: [{seq, at, level, text}]}.
WITH placed AS (
  SELECT e.seq, e.at, e.level, e.body, coalesce(e.step, max(e.step) OVER (PARTITION BY e.part)) AS step
  FROM (SELECT o.*, count(o.step) OVER (ORDER BY o.seq) AS part FROM deployment_event o WHERE o.deployment_id = $1) e
), counted AS (
  SELECT p.*, row_number() OVER (PARTITION BY p.step ORDER BY p.seq DESC) AS back FROM placed p
)
SELECT c.step, count(*)::int AS total, count(*) FILTER (WHERE c.level = 'warn')::int AS warnings,
       count(*) FILTER (WHERE c.level = 'error')::int AS errors, min(c.seq) AS "firstSeq",
       json_agg(json_build_object('seq', c.seq, 'at', c.at, 'level', c.level, 'text', left(c.body, $3)) ORDER BY c.seq) FILTER (WHERE c.back <= $2) AS lines
FROM counted c
GROUP BY c.step
