-- The database says that these runs hold a slot with this seq: the claim of a take becomes the seq, a missing slot is
-- added (and the run leaves its lane). A holder with a later seq stays. Idempotent.
-- KEYS[1]  the epoch's ready key
-- ARGV[1…] groups of 4: lane, run id, seq, deadline in epoch milliseconds
-- Returns the number of slots that were missing, or -1 when the epoch is stale.
local state = redis.call('GET', KEYS[1])
if not state then return -1 end
local p = string.sub(KEYS[1], 1, -6)
local missing = 0
for i = 1, #ARGV, 4 do
  local lane, run, seq, deadline = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local env, _, limit = split(lane)
  local gone = state == 'building' and redis.call('HGET', p .. 'gone', run)
  local holder, held = slotOf(p, env, run)
  if holder and not (held and held > tonumber(seq)) then
    redis.call('HSET', p .. 'RE:' .. env, run, seq .. '|' .. lane)
    redis.call('ZADD', p .. 'HB', deadline, run)
  elseif not holder and not (gone and tonumber(gone) >= tonumber(seq)) then
    dropRun(p, lane, run)
    holdSlot(p, env, limit, lane, run, seq, deadline)
    missing = missing + 1
  end
end
return missing
