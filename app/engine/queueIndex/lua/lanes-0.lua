-- Shared functions of the index scripts: what is eligible. Put in front of a script's own text; no keys of its own.
-- `p` is the key prefix of the epoch; names and types of the keys are described in `app/engine/queueIndex/keys.ts`.
-- Invariants kept by every script: a lane with runs is either in its environment's E (eligible) or in B (known to be at
-- its limit or paused); an environment with lanes in E is either in A or known to be at its limit or paused. What is
-- blocked is in no set that `take` walks, so it costs nothing until a release or a change of limits offers it again.

-- Parts of a lane key `env|queue|ck|region`: env, queue, limit key (`env|queue|ck`), region.
local function split(lane)
  local limit, region = string.match(lane, '^(.*)|([^|]*)$')
  local env, queue = string.match(limit, '^([^|]*)|([^|]*)')
  return env, queue, limit, region
end

-- Free slots of an environment; nil when its limits are not loaded yet.
local function freeSlots(p, env)
  local lim = redis.call('HMGET', p .. 'LIM:' .. env, 'max', 'paused')
  if not lim[1] then return nil end
  if lim[2] == '1' then return 0 end
  return tonumber(lim[1]) - redis.call('HLEN', p .. 'RE:' .. env)
end

-- Makes an environment eligible in a region when it has eligible lanes and a free slot. It starts at the region's
-- virtual time or where it stopped, whichever is later: no credit for idle time, no second turn by leaving and coming.
-- Returns eligible now, was eligible before.
local function offerEnv(p, env, region)
  if redis.call('ZSCORE', p .. 'A:' .. region, env) then return true, true end
  if redis.call('EXISTS', p .. 'E:' .. env .. ':' .. region) == 0 then return false, false end
  local free = freeSlots(p, env)
  if free and free <= 0 then return false, false end
  local times = redis.call('HMGET', p .. 'V:' .. region, env, '')
  local vtime = math.max(tonumber(times[1] or 0), tonumber(times[2] or 0))
  redis.call('ZADD', p .. 'A:' .. region, vtime, env)
  if times[1] then redis.call('HDEL', p .. 'V:' .. region, env) end
  return true, false
end

-- Takes an environment out of a region and remembers its virtual time.
local function withdrawEnv(p, env, region, vtime)
  redis.call('ZREM', p .. 'A:' .. region, env)
  redis.call('HSET', p .. 'V:' .. region, env, vtime)
end

-- Adds `delta` to the queued runs of a queue.
local function countQueued(p, env, queue, delta)
  if redis.call('HINCRBY', p .. 'CNT:' .. env, queue, delta) <= 0 then redis.call('HDEL', p .. 'CNT:' .. env, queue) end
end

-- Marks a lane as blocked, and forgets a mark (true when there was one).
local function block(p, env, queue, region, lane)
  redis.call('ZREM', p .. 'E:' .. env .. ':' .. region, lane)
  redis.call('SADD', p .. 'B:' .. env .. '|' .. queue, lane)
  redis.call('SADD', p .. 'BQ:' .. env, queue)
end
local function unblock(p, env, queue, lane)
  if redis.call('SREM', p .. 'B:' .. env .. '|' .. queue, lane) == 0 then return false end
  if redis.call('EXISTS', p .. 'B:' .. env .. '|' .. queue) == 0 then redis.call('SREM', p .. 'BQ:' .. env, queue) end
  return true
end

-- Adds runs that hold no slot to a lane; `ids` and `scores` are parallel. Returns how many were new.
local function addRuns(p, lane, ids, scores)
  local env, queue, _, region = split(lane)
  local held = redis.call('HMGET', p .. 'RE:' .. env, unpack(ids))
  local members = {}
  for k = 1, #ids do
    if not held[k] then
      members[#members + 1] = scores[k]
      members[#members + 1] = ids[k]
    end
  end
  if #members == 0 then return 0 end
  local fresh = redis.call('ZADD', p .. 'L:' .. lane, 'NX', unpack(members))
  if fresh == 0 then return 0 end
  countQueued(p, env, queue, fresh)
  local head = redis.call('ZRANGE', p .. 'L:' .. lane, 0, 0, 'WITHSCORES')[2]
  if redis.call('ZCARD', p .. 'L:' .. lane) == fresh then
    redis.call('ZADD', p .. 'E:' .. env .. ':' .. region, head, lane)
    redis.call('SADD', p .. 'RG:' .. env, region)
  else
    redis.call('ZADD', p .. 'E:' .. env .. ':' .. region, 'XX', head, lane)
  end
  return fresh
end

-- Takes one run out of its lane, wherever the lane stands. Returns true when it was there.
local function dropRun(p, lane, run)
  if redis.call('ZREM', p .. 'L:' .. lane, run) == 0 then return false end
  local env, queue, _, region = split(lane)
  countQueued(p, env, queue, -1)
  local head = redis.call('ZRANGE', p .. 'L:' .. lane, 0, 0, 'WITHSCORES')[2]
  if head then
    redis.call('ZADD', p .. 'E:' .. env .. ':' .. region, 'XX', head, lane)
  else
    redis.call('ZREM', p .. 'E:' .. env .. ':' .. region, lane)
    unblock(p, env, queue, lane)
  end
  return true
end

-- Tells waiting pollers; `regions` is a set of `region` or `region|sender`. One message each and script call.
local function wake(channel, regions)
  for region in pairs(regions) do redis.call('PUBLISH', channel, region) end
end
