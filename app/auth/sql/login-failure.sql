-- Counts one failed sign-in in each bucket; a bucket whose window has ended starts anew.
-- $1 bytea[]: buckets, sorted. $2 timestamptz: now. $3 timestamptz: end of a window that begins now.
-- Returns nothing.
INSERT INTO login_attempt (bucket, failures, window_ends)
SELECT bucket, 1, $3 FROM unnest($1::bytea[]) AS bucket
ON CONFLICT (bucket) DO UPDATE SET
  failures = CASE WHEN login_attempt.window_ends <= $2 THEN 1 ELSE login_attempt.failures + 1 END,
  window_ends = CASE WHEN login_attempt.window_ends <= $2 THEN $3 ELSE login_attempt.window_ends END
