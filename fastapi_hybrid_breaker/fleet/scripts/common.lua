-- What the scripts share besides: the server's clock, and the order of versions. It stands
-- before each of them in what is sent to the server.

local LIMIT = 2 ^ 53 - 10 ^ 12 -- versions are exact numbers, with room to count on
local FAR = 24 * 3600 * 1000000 -- microseconds, as versions are
local LONGEST_OPEN = 24 * 3600 * 1000
local CLOCK_SLACK = 250 -- milliseconds by which an instance may think that the recovery timeout has elapsed

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(now_us / 1000)

-- Return a version; 0 for none, and where it or its writer is malformed.
local function version_of(text, writer)
  local version = is_name(writer) and whole(text) or 0
  return version < LIMIT and version or 0
end

-- Whether an OPEN has time left. One that was written in the future is one of a clock that has been
-- set back since; and none lasts longer than a day.
local function is_running(state, next_attempt, at)
  return state == 'OPEN' and at <= now
    and math.min(next_attempt, at + LONGEST_OPEN) > now + CLOCK_SLACK
end

-- A version more than a day beyond the clock is a mistake, or the clock was set back since. It
-- comes before all others: it must neither hide them nor raise what comes after it.
local function is_near(version) return version > 0 and version <= now_us + FAR end

-- The one order of versions, of states and of overrides; core/versions.py has the same.
local function is_newer(version, writer, than, than_writer)
  if is_near(version) ~= is_near(than) then return is_near(version) end
  return version > than or (version == than and writer > than_writer)
end

