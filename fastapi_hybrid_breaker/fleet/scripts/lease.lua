-- The right to probe a circuit for the whole fleet: asked for, and prolonged. It never touches
-- the circuit's state; that changes with the first probe, as any state does.
--
-- KEYS[1]  the circuit's hash
-- ARGV     1 instance that asks   2 version, 3 writer of the state that it knows
--          4 milliseconds that the lease is to last     5 probes that may run at once in the fleet
--          6 probes of its own that run, 7 milliseconds until the last of them gives its place back
--          8 probes that have succeeded in this recovery, as far as it knows
--          9 channel for signals  10 the key as JSON   11 protocol number
-- Returns  status, milliseconds that it lasts (granted, held), or until asking again makes sense,
--          places for the asker's probes (granted), successes so far.
--          Status: granted | held | full | early | moved (read the circuit again) | gone (no hash).
--
-- Field "lease": owner|given (ms)|ends (ms)|successes.
-- Field "probing": instance:probes:noted (ms):until (ms), separated by spaces: probes that may
-- still run, whoever has the lease now. Field "told" (ms): when all were told last that some do.

local LIMIT = 2 ^ 53 - 10 ^ 12
local CLOCK_SLACK = 250
local MOST_PROBING = 100
local TELL_EVERY = 2000

local function whole(text)
  if text and #text <= 16 and string.find(text, '^%d+$') then return tonumber(text) end
  return 0
end
local function digits(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = math.floor(tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000)
local instance, base, base_writer, term = ARGV[1], whole(ARGV[2]), ARGV[3], whole(ARGV[4])
local places, running, busy_for = whole(ARGV[5]), whole(ARGV[6]), whole(ARGV[7])

local raw = redis.call('HMGET', KEYS[1], 'state', 'version', 'writer', 'nextAttempt', 'at',
  'lease', 'probing', 'under', 'told')
local state, version, writer = raw[1], whole(raw[2]), raw[3] or ''
if not state or version == 0 then return { 'gone', '0', '0', '0' } end
if version >= LIMIT then version = 0 end

-- Under an override the circuit's own state and open time stand elsewhere.
local next_attempt = whole(raw[4])
if raw[8] and raw[8] ~= '-' then
  local under_state, under_next = string.match(raw[8], '^([A-Z_]+)|%d+|%d+|(%d+)$')
  if under_state then state, next_attempt = under_state, whole(under_next) end
end

local is_newer = version > base or (version == base and writer > base_writer)
-- The asker may not have heard yet what it has just written itself.
if (is_newer and writer ~= instance) or state == 'CLOSED' then
  return { 'moved', '0', '0', '0' }
end

local lease = { owner = '', given = 0, ends = 0, successes = 0 }
-- What was noted before this open time ended is of an earlier one; what was noted in the future,
-- of a clock that has been set back since.
local is_running = state == 'OPEN' and next_attempt > now + CLOCK_SLACK and whole(raw[5]) <= now
local began = (is_running or next_attempt <= now) and next_attempt - CLOCK_SLACK or 0
local function is_of_this_recovery(noted) return noted <= now and noted >= began end
local owner, given, ends, successes =
  string.match(raw[6] or '', '^(%w+)|(%d+)|(%d+)|(%d+)$')
if owner and is_of_this_recovery(whole(given)) then
  lease = { owner = owner, given = whole(given), ends = whole(ends),
    successes = whole(successes) }
end

local others, soonest, kept = 0, math.huge, {}
for who, count, noted, till in string.gmatch(raw[7] or '', '(%w+):(%d+):(%d+):(%d+)') do
  if who ~= instance and whole(till) > now and is_of_this_recovery(whole(noted))
    and #kept < MOST_PROBING then
    others = others + whole(count)
    soonest = math.min(soonest, whole(till))
    kept[#kept + 1] = table.concat({ who, count, noted, till }, ':')
  end
end
if running > 0 then
  kept[#kept + 1] = table.concat({ instance, digits(running), digits(now),
    digits(now + busy_for) }, ':')
end

local so_far = math.max(whole(ARGV[8]), lease.successes)
if is_running then
  return { 'early', digits(next_attempt - now), '0', '0' }
end

redis.call('HSET', KEYS[1], 'probing', table.concat(kept, ' '))
-- That somebody probes is told with the first probe that runs, and now and then while that lasts:
-- who hears nothing for long thinks the right to probe lost, and probes without it. The right
-- alone is not told: where calls are rare it often ends unused, and all would wait each time.
local told = whole(raw[9])
if running > 0 and (now - told >= TELL_EVERY or not is_of_this_recovery(told)) then
  redis.call('HSET', KEYS[1], 'told', digits(now))
  redis.call('PUBLISH', ARGV[9], '{"p":' .. ARGV[11] .. ',"key":' .. ARGV[10]
    .. ',"signal":"probing","version":"' .. digits(version) .. '","writer":"' .. writer
    .. '","ms":' .. digits(term) .. ',"by":"' .. instance .. '"}')
end

if lease.owner ~= instance and lease.ends > now then
  return { 'held', digits(lease.ends - now), '0', digits(so_far) }
end
if others >= places then
  return { 'full', digits(soonest - now), '0', digits(so_far) }
end

redis.call('HSET', KEYS[1], 'lease', table.concat({ instance, digits(now),
  digits(now + term), digits(so_far) }, '|'))
return { 'granted', digits(term), digits(places - others), digits(so_far) }
