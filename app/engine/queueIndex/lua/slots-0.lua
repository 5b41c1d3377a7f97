-- Shared functions of the index scripts: who holds a slot. Put behind `lanes-0.lua`; no keys of its own.
-- The value of a slot is `<holder>|<lane>`; the holder is `c<claim>` between a take and its commit, then the seq.

-- Holder, its seq (nil for a claim) and the lane of the run's slot; nothing when it has none.
local function slotOf(p, env, run)
  local value = redis.call('HGET', p .. 'RE:' .. env, run)
  if not value then return nil end
  local holder, lane = string.match(value, '^([^|]*)|(.*)$')
  return holder, tonumber(holder), lane
end

-- Writes the slot of a run; `limit` is the limit key of its lane.
local function holdSlot(p, env, limit, lane, run, holder, deadline)
  redis.call('HSET', p .. 'RE:' .. env, run, holder .. '|' .. lane)
  redis.call('SADD', p .. 'RL:' .. limit, run)
  redis.call('SADD', p .. 'SE', env)
  redis.call('ZADD', p .. 'HB', deadline, run)
end

-- Frees the slot of a run when its holder is the named claim or a seq up to `seq`; a newer holder keeps slot and
-- deadline. Returns the limit key that has room now, or nil.
local function freeSlot(p, env, run, claim, seq, keepBeat)
  local holder, held, lane = slotOf(p, env, run)
  if holder then
    local named = (held and seq and held <= seq) or (claim ~= '' and holder == 'c' .. claim)
    if not named then return nil end
    redis.call('HDEL', p .. 'RE:' .. env, run)
    if redis.call('HLEN', p .. 'RE:' .. env) == 0 then redis.call('SREM', p .. 'SE', env) end
  end
  if not keepBeat then redis.call('ZREM', p .. 'HB', run) end
  if not holder then return nil end
  local _, _, limit = split(lane)
  redis.call('SREM', p .. 'RL:' .. limit, run)
  return limit
end

-- After slots of an environment were freed: offers the blocked lanes of the limit keys in `limits` (a set), in every
-- region, and the environment; adds the regions with new work to `woken`.
local function reopen(p, env, limits, woken)
  for _, region in ipairs(redis.call('SMEMBERS', p .. 'RG:' .. env)) do
    local offered = false
    for limit in pairs(limits) do
      local lane = limit .. '|' .. region
      local _, queue = split(lane)
      if unblock(p, env, queue, lane) then
        local head = redis.call('ZRANGE', p .. 'L:' .. lane, 0, 0, 'WITHSCORES')[2]
        if head then
          redis.call('ZADD', p .. 'E:' .. env .. ':' .. region, head, lane)
          offered = true
        end
      end
    end
    local open, before = offerEnv(p, env, region)
    if open and (offered or not before) then woken[region] = true end
  end
end
