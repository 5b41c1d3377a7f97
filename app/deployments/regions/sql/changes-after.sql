-- Changes of a region after a cursor, and those that committed late: their numbers are smaller than the cursor.
-- $1 text: region. $2 bigint: cursor. $3 bigint[]: numbers just heard of.
SELECT seq, deployment_id FROM deployment_change WHERE region_id = $1 AND (seq > $2 OR seq = ANY ($3::bigint[])) ORDER BY seq LIMIT 1000
