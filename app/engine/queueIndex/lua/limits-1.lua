-- Overwrites the limits of an environment, then offers again the lanes that they had blocked. Lowering a limit stops
-- nothing that runs; it only blocks new claims until enough has ended.
-- KEYS[1]  the epoch's ready key
-- ARGV[1]  wake channel
-- ARGV[2]  environment
-- ARGV[3]  'replace', or 'absent' to keep limits that are there (loading on a miss must not undo a newer change)
-- ARGV[4…] max, base, paused ('1' or '0'), weight, most lanes to offer in this call, then groups of 3: queue, limit
--          or '', paused
-- Returns the number of blocked lanes of open queues that are left for another call, or -1 when the epoch is stale.
if not redis.call('GET', KEYS[1]) then return -1 end
local p = string.sub(KEYS[1], 1, -6)
local channel, env, bound = ARGV[1], ARGV[2], tonumber(ARGV[8])
local key = p .. 'LIM:' .. env
if ARGV[3] == 'replace' or redis.call('EXISTS', key) == 0 then
  redis.call('DEL', key)
  redis.call('HSET', key, 'max', ARGV[4], 'base', ARGV[5], 'paused', ARGV[6], 'weight', ARGV[7])
  for i = 9, #ARGV, 3 do
    if ARGV[i + 1] ~= '' then redis.call('HSET', key, 'q:' .. ARGV[i], ARGV[i + 1]) end
    if ARGV[i + 2] == '1' then redis.call('HSET', key, 'p:' .. ARGV[i], '1') end
  end
end
local base = tonumber(redis.call('HGET', key, 'base'))
local rest, offered = 0, {}
for _, queue in ipairs(redis.call('SMEMBERS', p .. 'BQ:' .. env)) do
  local own = redis.call('HMGET', key, 'q:' .. queue, 'p:' .. queue)
  if own[2] ~= '1' and math.min(tonumber(own[1] or base), base) > 0 then
    local blocked = p .. 'B:' .. env .. '|' .. queue
    for _, lane in ipairs(redis.call('SRANDMEMBER', blocked, bound)) do
      unblock(p, env, queue, lane)
      local _, _, _, region = split(lane)
      local head = redis.call('ZRANGE', p .. 'L:' .. lane, 0, 0, 'WITHSCORES')[2]
      if head then
        redis.call('ZADD', p .. 'E:' .. env .. ':' .. region, head, lane)
        offered[region] = true
      end
      bound = bound - 1
    end
    rest = rest + redis.call('SCARD', blocked)
  end
end
local woken = {}
for _, region in ipairs(redis.call('SMEMBERS', p .. 'RG:' .. env)) do
  local open, before = offerEnv(p, env, region)
  if open and (offered[region] or not before) then woken[region] = true end
end
wake(channel, woken)
return rest
