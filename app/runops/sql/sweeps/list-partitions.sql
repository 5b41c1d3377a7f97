-- Ranges of the partitions of a run table, read from their names: <table>_p<yyyymmdd>_<yyyymmdd>.
--
-- $1 table
SELECT to_timestamp(split_part(x.suffix, '_', 1) || ' UTC', 'YYYYMMDD TZ') AS from_day, to_timestamp(split_part(x.suffix, '_', 2) || ' UTC', 'YYYYMMDD TZ') AS to_day
FROM pg_inherits i
JOIN pg_class child ON child.oid = i.inhrelid
JOIN pg_class parent ON parent.oid = i.inhparent
JOIN pg_namespace n ON n.oid = parent.relnamespace
CROSS JOIN LATERAL (SELECT substr(child.relname, length($1::text) + 3) AS suffix) x
WHERE n.nspname = 'run_ops' AND parent.relname = $1 AND child.relname ~ ('^' || $1 || '_p[0-9]{8}_[0-9]{8}$')
