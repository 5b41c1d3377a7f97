-- Offers queued runs. Idempotent: a run that is in its lane keeps its score, one that holds a slot is not added.
-- KEYS[1]  the epoch's ready key
-- ARGV[1]  wake channel
-- ARGV[2]  name of the calling process, sent along so that it can pass over its own message
-- ARGV[3…] groups: lane, count, then count times (run id, score); at most 1,000 runs a group
-- Returns the number of runs that were new, or -1 when the epoch is stale.
if not redis.call('GET', KEYS[1]) then return -1 end
local p = string.sub(KEYS[1], 1, -6)
local added, touched, i = 0, {}, 3
while i <= #ARGV do
  local lane, count = ARGV[i], tonumber(ARGV[i + 1])
  local ids, scores = {}, {}
  for k = 1, count do
    ids[k] = ARGV[i + 2 * k]
    scores[k] = ARGV[i + 2 * k + 1]
  end
  i = i + 2 + 2 * count
  local fresh = addRuns(p, lane, ids, scores)
  if fresh > 0 then
    added = added + fresh
    local env, _, _, region = split(lane)
    touched[env .. '|' .. region] = { env, region }
  end
end
local woken = {}
for _, place in pairs(touched) do
  if offerEnv(p, place[1], place[2]) then woken[place[2] .. '|' .. ARGV[2]] = true end
end
wake(ARGV[1], woken)
return added
