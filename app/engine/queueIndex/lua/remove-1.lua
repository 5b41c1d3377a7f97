-- Takes runs out of their lanes and frees what they hold under the named holder. Idempotent.
-- While the index is being built, the run is also recorded as gone for good, so that the loader skips it.
-- KEYS[1]  the epoch's ready key
-- ARGV[1]  wake channel
-- ARGV[2…] groups of 4: lane, run id, claim or '', seq or ''
-- Returns the number of runs that were in their lane, or -1 when the epoch is stale.
local state = redis.call('GET', KEYS[1])
if not state then return -1 end
local p = string.sub(KEYS[1], 1, -6)
local removed, places = 0, {}
for i = 2, #ARGV, 4 do
  local lane, run = ARGV[i], ARGV[i + 1]
  local env = split(lane)
  if dropRun(p, lane, run) then removed = removed + 1 end
  local limit = freeSlot(p, env, run, ARGV[i + 2], tonumber(ARGV[i + 3]), false)
  if limit then
    places[env] = places[env] or {}
    places[env][limit] = true
  end
  if state == 'building' then redis.call('HSET', p .. 'gone', run, '9007199254740991') end
end
local woken = {}
for env, limits in pairs(places) do reopen(p, env, limits, woken) end
wake(ARGV[1], woken)
return removed
