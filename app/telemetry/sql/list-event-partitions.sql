-- Names of the partitions of run_ops.event. No parameters.
SELECT child.relname AS name
FROM pg_inherits
JOIN pg_class AS child ON child.oid = pg_inherits.inhrelid
WHERE pg_inherits.inhparent = 'run_ops.event'::regclass
