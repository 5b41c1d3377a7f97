-- Server processes, each of which holds one connection of this name, and regions with those that an agent reports from.
-- $1 text name of the connections, $2 timestamptz agents count from.
-- Returns one row {processes, regions, connected}.
SELECT (SELECT count(*)::int FROM pg_stat_activity s WHERE s.application_name = $1 AND s.datname = current_database()) AS processes,
       count(*)::int AS regions,
       count(*) FILTER (WHERE EXISTS (SELECT 1 FROM agent a WHERE a.region_id = r.id AND a.last_seen_at >= $2))::int AS connected
FROM region r
