-- A trigger as the SDK sends it: the payload of plain.lua in the SDK's envelope, and the SDK's headers, among them a
-- request idempotency key that is different in every request. Arguments after `--`: secret key, number of this wrk run.
local payload = [[{\"json\":{\"i\":0,\"t\":0,\"user\":\"user_01HZX3M7Q9\",\"event\":\"order.created\",\"order\":{\"id\":\"ord_48151623\",\"total\":129.95,\"currency\":\"EUR\",\"items\":3},\"note\":\"a short line of text so that the body is about two hundred bytes\"}}]]
local body = '{"payload":"' .. payload .. '","options":{"payloadType":"application/super+json","payloadSize":234}}'
local before, after, count, run

function init(args)
  run = tonumber(args[2])
  count = 0
  local marker = "@@@@"
  local request = wrk.format("POST", nil, {
    ["host"] = wrk.host .. ":" .. wrk.port,
    ["content-type"] = "application/json",
    ["accept"] = "*/*",
    ["accept-encoding"] = "gzip, deflate",
    ["accept-language"] = "*",
    ["sec-fetch-mode"] = "cors",
    ["user-agent"] = "node",
    ["authorization"] = "Bearer " .. args[1],
    ["trigger-version"] = "4.8.3",
    ["x-trigger-api-version"] = "2025-07-16",
    ["x-trigger-source"] = "sdk",
    ["x-trigger-realtime-streams-version"] = "v2",
    ["x-trigger-request-idempotency-key"] = marker,
  }, body)
  local from, to = string.find(request, marker, 1, true)
  before = string.sub(request, 1, from - 1)
  after = string.sub(request, to + 1)
end

function request()
  count = count + 1
  return before .. string.format("%08x-0000-4000-8000-%012x", run, count) .. after
end
