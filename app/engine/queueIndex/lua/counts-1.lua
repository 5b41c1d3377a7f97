-- Queued and running runs of an environment, in all and per queue.
-- KEYS[1]  the epoch's ready key
-- ARGV[1]  environment
-- ARGV[2…] queues to count one by one
-- Returns { queued, running, then queued and running of each queue }, or { -1 } when the epoch is stale.
if not redis.call('GET', KEYS[1]) then return { -1 } end
local p = string.sub(KEYS[1], 1, -6)
local queued, running = {}, {}
local out = { 0, redis.call('HLEN', p .. 'RE:' .. ARGV[1]) }
local counts = redis.call('HGETALL', p .. 'CNT:' .. ARGV[1])
for i = 1, #counts, 2 do
  queued[counts[i]] = tonumber(counts[i + 1])
  out[1] = out[1] + queued[counts[i]]
end
if #ARGV > 1 then
  for _, value in ipairs(redis.call('HVALS', p .. 'RE:' .. ARGV[1])) do
    local _, queue = split(string.match(value, '|(.*)$'))
    running[queue] = (running[queue] or 0) + 1
  end
end
for i = 2, #ARGV do
  out[#out + 1] = queued[ARGV[i]] or 0
  out[#out + 1] = running[ARGV[i]] or 0
end
return out
