-- Drops deadline entries.
-- KEYS[1]  the epoch's ready key
-- ARGV     run ids
-- Returns the number of entries dropped, or -1 when the epoch is stale.
if not redis.call('GET', KEYS[1]) then return -1 end
return redis.call('ZREM', string.sub(KEYS[1], 1, -6) .. 'HB', unpack(ARGV))
