-- Claims runs of a region: environments in order of virtual time (start-time fair queueing, a quantum of runs a turn),
-- within one the lane with the oldest head first. Never more than the limits of environment and lane allow.
-- Every step serves runs or removes a blocked entry, so the cost follows what is served and what changed.
-- KEYS[1]  the epoch's ready key
-- ARGV[1]  region
-- ARGV[2]  most runs to claim
-- ARGV[3]  deadline of the claims, epoch milliseconds
-- ARGV[4]  quantum: most runs of one environment in a turn
-- ARGV[5]  most steps in this call
-- Returns { state, steps, environments without limits, claims }: state is -1 stale, 0 done, 1 ended by the step bound;
-- claims are flat: run id, lane, score, claim.
if redis.call('GET', KEYS[1]) ~= 'ready' then return { -1, 0, {}, {} } end
local p = string.sub(KEYS[1], 1, -6)
local region, left, deadline = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local quantum, bound = tonumber(ARGV[4]), tonumber(ARGV[5])
local steps, unknown, claims = 0, {}, {}

-- Moves the first runs of a lane into slots: at most `room`, none younger than the head of the next lane.
local function claimHead(env, queue, limit, lane, nextHead, room)
  local key = p .. 'L:' .. lane
  local heads = redis.call('ZRANGE', key, 0, room, 'WITHSCORES')
  local n = 0
  while n < room and heads[2 * n + 1] and (n == 0 or not nextHead or tonumber(heads[2 * n + 2]) <= nextHead) do n = n + 1 end
  if n == 0 then
    redis.call('ZREM', p .. 'E:' .. env .. ':' .. region, lane)
    return 0
  end
  redis.call('ZPOPMIN', key, n)
  local first = redis.call('INCRBY', p .. 'claim', n) - n
  local slots, runs, beats = {}, {}, {}
  for k = 1, n do
    local run, claim = heads[2 * k - 1], string.format('%.0f', first + k)
    slots[2 * k - 1], slots[2 * k] = run, 'c' .. claim .. '|' .. lane
    beats[2 * k - 1], beats[2 * k] = deadline, run
    runs[k] = run
    local at = #claims
    claims[at + 1], claims[at + 2], claims[at + 3], claims[at + 4] = run, lane, heads[2 * k], claim
  end
  redis.call('HSET', p .. 'RE:' .. env, unpack(slots))
  redis.call('SADD', p .. 'RL:' .. limit, unpack(runs))
  redis.call('ZADD', p .. 'HB', unpack(beats))
  countQueued(p, env, queue, -n)
  if heads[2 * n + 1] then
    redis.call('ZADD', p .. 'E:' .. env .. ':' .. region, heads[2 * n + 2], lane)
  else
    redis.call('ZREM', p .. 'E:' .. env .. ':' .. region, lane)
  end
  return n
end

-- Serves up to `turn` runs of one environment. Returns how many.
local function serve(env, base, turn)
  local served = 0
  while served < turn and steps < bound do
    steps = steps + 1
    local heads = redis.call('ZRANGE', p .. 'E:' .. env .. ':' .. region, 0, 1, 'WITHSCORES')
    local lane = heads[1]
    if not lane then break end
    local _, queue, limit = split(lane)
    local own = redis.call('HMGET', p .. 'LIM:' .. env, 'q:' .. queue, 'p:' .. queue)
    local room = 0
    if own[2] ~= '1' then room = math.min(tonumber(own[1] or base), base) - redis.call('SCARD', p .. 'RL:' .. limit) end
    if room <= 0 then
      block(p, env, queue, region, lane)
    else
      served = served + claimHead(env, queue, limit, lane, tonumber(heads[4]), math.min(room, turn - served))
    end
  end
  if served > 0 then redis.call('SADD', p .. 'SE', env) end
  return served
end

while left > 0 and steps < bound do
  local head = redis.call('ZRANGE', p .. 'A:' .. region, #unknown, #unknown, 'WITHSCORES')
  local env, vtime = head[1], tonumber(head[2])
  if not env then break end
  steps = steps + 1
  local lim = redis.call('HMGET', p .. 'LIM:' .. env, 'max', 'base', 'paused', 'weight')
  if not lim[1] then
    unknown[#unknown + 1] = env
  else
    local free = 0
    if lim[3] ~= '1' then free = tonumber(lim[1]) - redis.call('HLEN', p .. 'RE:' .. env) end
    if free <= 0 then
      withdrawEnv(p, env, region, vtime)
    else
      redis.call('HSET', p .. 'V:' .. region, '', vtime)
      local served = serve(env, tonumber(lim[2]), math.min(quantum, free, left))
      left = left - served
      vtime = vtime + served / tonumber(lim[4])
      if redis.call('EXISTS', p .. 'E:' .. env .. ':' .. region) == 0 then
        withdrawEnv(p, env, region, vtime)
      else
        redis.call('ZADD', p .. 'A:' .. region, vtime, env)
      end
    end
  end
end
return { (left > 0 and steps >= bound) and 1 or 0, steps, unknown, claims }
