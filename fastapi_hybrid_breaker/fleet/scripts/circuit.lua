-- Every write to a circuit's hash: compare, write, set the time to live, publish, in one step.
--
-- KEYS[1]  the circuit's hash
-- ARGV     1 what: change | reset | restore | plain
--          2 operation id        3 instance that asks     4 highest version it has seen
--          5 version, 6 writer   that it builds on (restore: that it writes back)
--          7 state  8 failures  9 successes  10 milliseconds until the next attempt
--         11 channel            12 the key as JSON       13 protocol number
--         14 plain: 1 for a live message, whose open time must be near (see 15)
--         15 plain: recovery timeout here, milliseconds
--         16 plain: 1 if a CLOSED may end an opening of ours that still runs
-- Returns  status, version, writer, state, failures, successes, nextAttempt (ms), at (ms),
--          server time (us). Status: done | repeat | refused | foreign | same.
--
-- The field "sum" repeats the four plain fields as we wrote them. Where it differs from them,
-- a writer of the plain format was here after us ("foreign").

local LIMIT = 2 ^ 53 - 10 ^ 12
local KEPT_OPERATIONS = 8
local SHORTEST_LIFE = 3600 * 1000
local LONGEST_OPEN = 24 * 3600 * 1000
local STATES = { CLOSED = true, OPEN = true, HALF_OPEN = true }

local function whole(text)
  if text and #text <= 16 and string.find(text, '^%d+$') then return tonumber(text) end
  return 0
end

-- tostring() would turn numbers of this size into 1.79e+15
local function digits(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(now_us / 1000)

local raw = redis.call('HMGET', KEYS[1], 'state', 'failures', 'successes', 'nextAttempt',
  'version', 'writer', 'at', 'sum', 'ops')
local stored = {
  state = STATES[raw[1]] and raw[1] or nil,
  failures = whole(raw[2]), successes = whole(raw[3]), next_attempt = whole(raw[4]),
  version = whole(raw[5]), writer = raw[6] or '', at = whole(raw[7]),
}
if stored.version >= LIMIT then stored.version = 0 end
local ops = raw[9] or ''

-- What we wrote last, out of "sum".
local ours = {}
if stored.version > 0 and raw[8] then
  local state, failures, successes, next_attempt =
    string.match(raw[8], '^([A-Z_]+)|(%d+)|(%d+)|(%d+)$')
  ours = { state = state, failures = whole(failures), successes = whole(successes),
    next_attempt = whole(next_attempt) }
end
-- Counts alone do not matter: a plain speaker writes them with every call.
local foreign = stored.state ~= nil and (stored.state ~= ours.state
  or (stored.state == 'OPEN' and stored.next_attempt ~= ours.next_attempt))

local what, operation, instance, base, base_writer =
  ARGV[1], ARGV[2], ARGV[3], whole(ARGV[5]), ARGV[6]

local function reply(status)
  return { status, digits(stored.version), stored.writer, stored.state or '',
    digits(stored.failures), digits(stored.successes), digits(stored.next_attempt),
    digits(stored.at), digits(now_us) }
end

local function publish()
  redis.call('PUBLISH', ARGV[11], '{"key":' .. ARGV[12]
    .. ',"stats":{"state":"' .. stored.state .. '","failures":' .. digits(stored.failures)
    .. ',"successes":' .. digits(stored.successes)
    .. ',"nextAttempt":' .. digits(stored.next_attempt)
    .. '},"p":' .. ARGV[13] .. ',"version":"' .. digits(stored.version)
    .. '","writer":"' .. stored.writer .. '","at":' .. digits(stored.at) .. '}')
end

local function write(version, writer, state, failures, successes, next_attempt)
  stored = { version = version, writer = writer, state = state, failures = failures,
    successes = successes, next_attempt = next_attempt, at = now }
  local sum = table.concat(
    { state, digits(failures), digits(successes), digits(next_attempt) }, '|')
  redis.call('HSET', KEYS[1], 'state', state, 'failures', digits(failures),
    'successes', digits(successes), 'nextAttempt', digits(next_attempt),
    'version', digits(version), 'writer', writer, 'at', digits(now),
    'sum', sum, 'ops', ops, 'p', ARGV[13])
  redis.call('PEXPIRE', KEYS[1],
    digits(math.max(SHORTEST_LIFE, next_attempt - now + SHORTEST_LIFE)))
  publish()
end

local function remember_operation()
  local kept = {}
  for id in string.gmatch(ops, '[^ ]+') do kept[#kept + 1] = id end
  kept[#kept + 1] = operation
  ops = table.concat(kept, ' ', math.max(1, #kept - KEPT_OPERATIONS + 1))
end

local function next_version()
  return math.max(stored.version + 1, now_us, whole(ARGV[4]) + 1)
end

local function next_attempt_of(state)
  if state == 'OPEN' then return now + whole(ARGV[10]) end
  -- While probing the end of the open time stands; the closed state has none.
  return state == 'HALF_OPEN' and math.min(math.max(stored.next_attempt, 0), now) or 0
end

local function stored_is_newer()
  return stored.version > base or (stored.version == base and stored.writer > base_writer)
end

if what == 'change' or what == 'reset' then
  if string.find(' ' .. ops .. ' ', ' ' .. operation .. ' ', 1, true) then
    -- Whoever did not get the answer was cut off, and others may have been, and missed it.
    if not foreign and stored.version > 0 then publish() end
    return reply('repeat')
  end
  if what == 'change' then
    if stored_is_newer() then return reply('refused') end
    -- A plain speaker opened it meanwhile: nothing but an opening goes over that.
    if foreign and stored.state ~= 'CLOSED' and ARGV[7] ~= 'OPEN' then
      return reply('foreign')
    end
  end
  local version = next_version()
  remember_operation()
  write(version, instance, ARGV[7], whole(ARGV[8]), whole(ARGV[9]), next_attempt_of(ARGV[7]))
  return reply('done')
end

if what == 'restore' then
  if stored_is_newer() then return reply('refused') end
  if not foreign and stored.version == base and stored.writer == base_writer and stored.state then
    return reply('same')
  end
  -- A plain speaker's word stands, but for one: it may not end an opening that it has not heard of.
  if foreign and not (ARGV[7] == 'OPEN' and whole(ARGV[10]) > 0 and stored.state ~= 'OPEN') then
    return reply('foreign')
  end
  write(base, base_writer, ARGV[7], whole(ARGV[8]), whole(ARGV[9]), next_attempt_of(ARGV[7]))
  return reply('done')
end

if what == 'plain' then
  if not foreign then return reply('same') end
  if ours.state == 'OPEN' and ours.next_attempt > now and stored.state ~= 'OPEN'
    and ARGV[16] ~= '1' then
    write(stored.version, stored.writer, 'OPEN', ours.failures, ours.successes, ours.next_attempt)
    return reply('refused')
  end
  local next_attempt = 0
  if stored.state == 'OPEN' then
    local timeout = whole(ARGV[15])
    local wait = stored.next_attempt - now
    -- A live message tells of an opening just now. An open time that does not fit shows the
    -- clock of its writer to be wrong.
    if ARGV[14] == '1' and (wait <= 0 or wait > 1.5 * timeout) then wait = timeout end
    next_attempt = now + math.min(math.max(wait, 0), LONGEST_OPEN)
  elseif stored.state == 'HALF_OPEN' then
    next_attempt = math.min(stored.next_attempt, now)
  end
  local version = next_version()
  write(version, instance, stored.state, stored.failures, stored.successes, next_attempt)
  return reply('done')
end

return redis.error_reply('circuit.lua: unknown request ' .. what)
