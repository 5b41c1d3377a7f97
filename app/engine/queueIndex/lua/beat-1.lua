-- New deadlines of runs in progress; a run without a deadline entry gets none (it ended meanwhile).
-- KEYS[1]  the epoch's ready key
-- ARGV     pairs: deadline in epoch milliseconds, run id
-- Returns the number of runs given, or -1 when the epoch is stale.
if not redis.call('GET', KEYS[1]) then return -1 end
redis.call('ZADD', string.sub(KEYS[1], 1, -6) .. 'HB', 'XX', unpack(ARGV))
return #ARGV / 2
