-- The loader of a rebuild: queued runs into lanes, slot holders into slots, deadlines of the rest. Skips what a writer
-- has removed since it was read. Idempotent, and refused once the epoch is ready.
-- KEYS[1]  the epoch's ready key
-- ARGV[1…] groups of 6: kind ('queued', 'slot' or 'beat'), lane, run id, seq, score, deadline in epoch milliseconds
-- Returns the number of rows taken, or -1 when the epoch is not being built.
if redis.call('GET', KEYS[1]) ~= 'building' then return -1 end
local p = string.sub(KEYS[1], 1, -6)
local loaded = 0
for i = 1, #ARGV, 6 do
  local kind, lane, run, seq = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local gone = tonumber(redis.call('HGET', p .. 'gone', run) or -1)
  local env, _, limit, region = split(lane)
  if kind == 'queued' then
    -- A retry whose time has come keeps its seq, so only a later removal hides it.
    if gone <= seq then
      loaded = loaded + addRuns(p, lane, { run }, { ARGV[i + 4] })
      offerEnv(p, env, region)
    end
  elseif gone < seq then
    if kind == 'beat' then
      redis.call('ZADD', p .. 'HB', ARGV[i + 5], run)
    else
      local _, held = slotOf(p, env, run)
      dropRun(p, lane, run)
      if not held or held < seq then holdSlot(p, env, limit, lane, run, ARGV[i + 3], ARGV[i + 5]) end
    end
    loaded = loaded + 1
  end
end
return loaded
