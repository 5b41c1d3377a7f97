-- Frees slots and offers what they had blocked. A slot whose holder is not the one named is left alone. Idempotent.
-- While the index is being built, the seq is also recorded, so that the loader skips what it read before.
-- KEYS[1]  the epoch's ready key
-- ARGV[1]  wake channel
-- ARGV[2…] groups of 5: environment, run id, claim or '', seq or '', '1' to keep the deadline entry
-- Returns the number of freed slots, or -1 when the epoch is stale.
local state = redis.call('GET', KEYS[1])
if not state then return -1 end
local p = string.sub(KEYS[1], 1, -6)
local freed, places = 0, {}
for i = 2, #ARGV, 5 do
  local env, run, claim, seq, keep = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local limit = freeSlot(p, env, run, claim, tonumber(seq), keep == '1')
  if limit then
    freed = freed + 1
    places[env] = places[env] or {}
    places[env][limit] = true
  end
  if state == 'building' and seq ~= '' then
    local gone = tonumber(redis.call('HGET', p .. 'gone', run) or 0)
    if tonumber(seq) > gone then redis.call('HSET', p .. 'gone', run, seq) end
  end
end
local woken = {}
for env, limits in pairs(places) do reopen(p, env, limits, woken) end
wake(ARGV[1], woken)
return freed
