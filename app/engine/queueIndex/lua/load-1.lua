-- The loader of a rebuild: queued runs into lanes, slot holders into slots, deadlines of the rest. Skips what a writer
-- has removed since it was read. Idempotent, and refused once the epoch is ready.
-- KEYS[1]  the epoch's ready key
-- ARGV[1…] groups: kind ('queued', 'slot' or 'beat'), lane, count, then count times (run id, seq, score or deadline in
--          epoch milliseconds); at most 1,000 runs a group
-- Returns the number of groups, or -1 when the epoch is not being built.
if redis.call('GET', KEYS[1]) ~= 'building' then return -1 end
local p = string.sub(KEYS[1], 1, -6)

-- A retry whose time has come keeps its seq, so only a later removal hides it.
local function loadQueued(lane, runs, seqs, scores, gone)
  local ids, order = {}, {}
  for k = 1, #runs do
    if not gone[k] or tonumber(gone[k]) <= seqs[k] then
      ids[#ids + 1] = runs[k]
      order[#order + 1] = scores[k]
    end
  end
  if #ids == 0 then return end
  addRuns(p, lane, ids, order)
  local env, _, _, region = split(lane)
  offerEnv(p, env, region)
end

local function loadHeld(kind, lane, run, seq, deadline)
  if kind == 'beat' then return redis.call('ZADD', p .. 'HB', deadline, run) end
  local env, _, limit = split(lane)
  local _, held = slotOf(p, env, run)
  dropRun(p, lane, run)
  if not held or held < seq then holdSlot(p, env, limit, lane, run, string.format('%.0f', seq), deadline) end
end

local i, groups = 1, 0
while i <= #ARGV do
  local kind, lane, count = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local runs, seqs, values = {}, {}, {}
  for k = 1, count do
    runs[k], seqs[k], values[k] = ARGV[i + 3 * k], tonumber(ARGV[i + 3 * k + 1]), ARGV[i + 3 * k + 2]
  end
  i = i + 3 + 3 * count
  groups = groups + 1
  local gone = redis.call('HMGET', p .. 'gone', unpack(runs))
  if kind == 'queued' then
    loadQueued(lane, runs, seqs, values, gone)
  else
    for k = 1, count do
      if not gone[k] or tonumber(gone[k]) < seqs[k] then loadHeld(kind, lane, runs[k], seqs[k], values[k]) end
    end
  end
end
return groups
