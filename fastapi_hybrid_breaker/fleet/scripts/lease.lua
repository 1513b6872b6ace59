-- The right to probe a circuit for the whole fleet: asked for, and prolonged. It never touches
-- the circuit's state; that changes with the first probe, as any state does.
--
-- KEYS[1]  the circuit's hash
-- ARGV     1 instance that asks   2 version, 3 writer of the state that it knows
--          4 milliseconds that the lease is to last     5 probes that may run at once in the fleet
--          6 probes of its own that run, 7 milliseconds until the last of them gives its place back
--          8 probes that have succeeded in this recovery, as far as it knows
--          9 channel for signals  10 the key as JSON   11 protocol number
--          12 how many of those that succeeded were its own; versions up to 0.3 do not send it
-- Returns  status, milliseconds that it lasts (granted, held), or until asking again makes sense,
--          places for the asker's probes (granted), successes so far.
--          Status: granted | held | full | early | moved (read the circuit again) | gone (no hash).
--
-- Field "lease": owner|given (ms)|ends (ms)|successes.
-- Field "probing": instance:probes:noted (ms):until (ms), separated by spaces: probes that may
-- still run, whoever has the lease now. Field "told" (ms): when all were told last that some do.
-- Field "won": instance:successes:noted (ms), separated by spaces: without a lease several
-- instances may succeed, and their successes add up.

local MOST_PROBING = 100
local MOST_NAMED = 40
local TELL_EVERY = 2000
-- For so long at most others take a probe to run of which they hear no more: it is said again in
-- less, unless whoever runs it has crashed.
local LONGEST_BUSY = 3000
local LONGEST_PROBE = 24 * 3600 * 1000
local LONGEST_TERM = 60 * 1000 -- of a lease; a later end is none that an instance asked for

local instance, base, base_writer, term = ARGV[1], whole(ARGV[2]), ARGV[3], whole(ARGV[4])
local places, running, busy_for = whole(ARGV[5]), whole(ARGV[6]), whole(ARGV[7])
local known_successes, own = whole(ARGV[8]), whole(ARGV[12])

local raw = redis.call('HMGET', KEYS[1], 'state', 'version', 'writer', 'nextAttempt', 'at',
  'lease', 'probing', 'under', 'told', 'won', 'failures', 'successes', 'sum')
local version, writer = version_of(raw[2], raw[3]), raw[3]
-- Under an override the circuit's own state and recovery timeout stand elsewhere.
local circuit = four(raw[8]) or basic(raw[1], raw[11], raw[12], raw[4]) or four(raw[13])
if not circuit or version == 0 then return { 'gone', '0', '0', '0' } end

local state, next_attempt = circuit.state, circuit.next_attempt
-- The asker may not have heard yet what it has just written itself.
local is_behind = is_newer(version, writer, base, base_writer) and writer ~= instance
-- Where two have ended the recovery timeout at once, the probe of the second goes on, and takes a place.
-- What else it knows may be of an earlier recovery.
if state == 'CLOSED' or (is_behind and not (state == 'HALF_OPEN' and running > 0)) then
  return { 'moved', '0', '0', '0' }
end
if is_behind then known_successes, own = 0, 0 end

local lease = { owner = '', given = 0, ends = 0, successes = 0 }
-- What was noted before this recovery timeout ended is of an earlier one; what was noted in the future,
-- of a clock that has been set back since.
local runs_on = is_running(state, next_attempt, whole(raw[5]))
local is_sane = runs_on or next_attempt <= now + CLOCK_SLACK
local began = is_sane and next_attempt - CLOCK_SLACK or 0
local function is_of_this_recovery(noted) return noted <= now and noted >= began end
local owner, given, ends, successes =
  string.match(raw[6] or '', '^(%w+)|(%d+)|(%d+)|(%d+)$')
if owner and is_of_this_recovery(whole(given)) and whole(ends) <= now + LONGEST_TERM then
  lease = { owner = owner, given = whole(given), ends = whole(ends),
    successes = whole(successes) }
end

local before, others, soonest, latest, kept = 0, 0, math.huge, now, {}
local named, unnamed = {}, 0
local function name(who, count)
  if #named < MOST_NAMED then
    named[#named + 1] = '"' .. who .. '":' .. digits(count)
  else
    unnamed = unnamed + count
  end
end
for who, count, noted, till in string.gmatch(raw[7] or '', '(%w+):(%d+):(%d+):(%d+)') do
  local is_there = whole(till) > now and whole(till) <= now + LONGEST_PROBE and is_name(who)
    and is_of_this_recovery(whole(noted))
  if is_there then before = before + whole(count) end
  if is_there and who ~= instance and #kept < MOST_PROBING then
    others = others + whole(count)
    soonest = math.min(soonest, whole(till))
    latest = math.max(latest, whole(till))
    name(who, whole(count))
    kept[#kept + 1] = table.concat({ who, count, noted, till }, ':')
  end
end
if running > 0 then
  name(instance, running)
  latest = math.max(latest, now + busy_for)
  kept[#kept + 1] = table.concat({ instance, digits(running), digits(now),
    digits(now + busy_for) }, ':')
end

local won_before, won, winners = 0, 0, {}
for who, count, noted in string.gmatch(raw[10] or '', '(%w+):(%d+):(%d+)') do
  if is_of_this_recovery(whole(noted)) and #winners < MOST_PROBING then
    won_before = won_before + whole(count)
    if who == instance then
      own = math.max(own, whole(count))
    else
      won = won + whole(count)
      winners[#winners + 1] = table.concat({ who, count, noted }, ':')
    end
  end
end
if own > 0 then
  winners[#winners + 1] = table.concat({ instance, digits(own), digits(now) }, ':')
end
local so_far_before = math.max(lease.successes, won_before)
local so_far = math.min(math.max(known_successes, lease.successes, won + own), MOST_COUNTED)
if runs_on then
  return { 'early', digits(next_attempt - now), '0', '0' }
end

redis.call('HSET', KEYS[1], 'probing', table.concat(kept, ' '))
if so_far > so_far_before then
  redis.call('HSET', KEYS[1], 'won', table.concat(winners, ' '))
end

-- How many probe is told whenever it changes, and now and then while it does not; and when one has
-- succeeded. So whoever has the next call knows whether it may be a probe. The right alone is not
-- told: it often ends unused, and all would wait each time.
local told = whole(raw[9])
local is_overdue = running > 0 and (now - told >= TELL_EVERY or told > now)
if others + running ~= before or so_far > so_far_before or is_overdue then
  local busy = latest > now and math.min(latest - now, LONGEST_BUSY) or 0
  if unnamed > 0 then named[#named + 1] = '"":' .. digits(unnamed) end
  redis.call('HSET', KEYS[1], 'told', digits(now))
  redis.call('PUBLISH', ARGV[9], '{"p":' .. ARGV[11] .. ',"key":' .. ARGV[10]
    .. ',"signal":"probing","version":"' .. digits(version) .. '","writer":"' .. writer
    .. '","ms":' .. digits(busy) .. ',"by":"' .. instance
    .. '","running":{' .. table.concat(named, ',') .. '},"successes":' .. digits(so_far)
    .. ',"at":' .. string.format('%.3f', tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000) .. '}')
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
