-- Sends requests that were made beforehand, one after the other, from the file given after `--`;
-- prints what became of them as one line of JSON.

local made, at = {}, 0

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  while true do
    local length = file:read("*l")
    if length == nil then break end
    made[#made + 1] = file:read(tonumber(length))
  end
  file:close()
  -- As if it were one file for all threads, each begins somewhere else.
  at = math.random(0, #made - 1)
end

function request()
  at = at % #made + 1
  return made[at]
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"refused":%d,"broken":%d,"timeouts":%d,'
      .. '"p50_ms":%.3f,"p99_ms":%.3f,"p999_ms":%.3f,"max_ms":%.3f}\n',
    summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write, e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3,
    latency.max / 1e3))
end
