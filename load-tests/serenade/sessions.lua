-- wrk -s sessions.lua URL -- PATHS [PAUSE_MS]
--
-- Asks for the paths of a file in turn, each thread beginning at another place. A path that ends in "-" is completed
-- by the number of the pass, so that every pass has sessions of its own. With a pause, on average so long, each
-- connection waits before its next request: 16 connections and 16 ms are about 1,000 requests/s.

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  paths, pass = {}, number
  for line in io.lines(args[1]) do paths[#paths + 1] = line end
  at = math.floor(#paths / 2) * number
  local pause = tonumber(args[2])
  if pause then
    delay = function() return math.random(pause / 2, pause * 3 / 2) end
  end
end

function request()
  at = at + 1
  if at > #paths then at, pass = 1, pass + 2 end
  local path = paths[at]
  if path:sub(-1) == "-" then path = path .. pass end
  return wrk.format("GET", path)
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format("%7.0f requests/s, p50 %.2f ms, p90 %.2f ms, p99 %.2f ms, errors %d",
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(90) / 1e3,
    latency:percentile(99) / 1e3, errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
