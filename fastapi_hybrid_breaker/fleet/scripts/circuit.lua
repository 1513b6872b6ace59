-- Every write to a circuit's hash and to its register of overrides: compare, write, set the time
-- to live, publish, in one step.
--
-- KEYS[1]  the circuit's hash
-- KEYS[2]  where its override is kept: a hash of its own in the same slot, or KEYS[1] again
-- ARGV     1 what: change | reset | restore | plain | show | override | restore_override
--          2 operation id        3 instance that asks     4 highest version it has seen
--          5 version, 6 writer   that it builds on (restore...: that it writes back; show: of an
--                                override that has ended)
--          7 state  8 failures  9 successes  10 milliseconds until the next attempt
--         11 channel            12 the key as JSON       13 protocol number
--         14 plain: 1 for a live message, whose open time must be near (see 15)
--         15 plain: recovery timeout here, milliseconds
--         16 plain: 1 if a CLOSED may end an opening of ours that still runs
--         17 openings in a row  18 why, as JSON
--         19 override: kind, "-" to clear    20 milliseconds it lasts, "-": until cleared
--         21 override: by and reason, as JSON
--         22 CLOSED: how long ago it recovered  23 and since when calls are let back in shares (ms),
--            "-": never
-- Returns  status, version, writer, state, failures, successes, nextAttempt (ms), at (ms),
--          server time (us), openings in a row, why, override as kept, closedAt, ramp (ms, 0: never).
--          Status: done | repeat | refused | foreign | same.
--
-- The plain fields show what is in force: an override's state, or else the circuit's own. Under an
-- override the circuit's own stands in "under" ("-": nobody has told one). The field "sum" repeats the four plain fields as we
-- wrote them: where it differs, a writer of the plain format was here after us ("foreign").
-- An override is kept as version|writer|kind|end (ms, 0: until cleared)|by and reason. One that
-- sets the mode, and no state, has the kind "-", which is all that processes of 0.3 understand of
-- it, and the mode before by and reason: shadow, enforced, or "-" when it is over.

local LIMIT = 2 ^ 53 - 10 ^ 12
local KEPT_OPERATIONS = 8
local SHORTEST_LIFE = 3600 * 1000
local LONGEST_OPEN = 24 * 3600 * 1000
local CLEARED_LIFE = 7 * 24 * 3600 * 1000 -- an instance away for less does not bring it back
local CLOCK_SLACK = 250 -- milliseconds by which an instance may think that the open time is over
local KINDS = { forced_open = true, disabled = true, ['-'] = true }
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
  'version', 'writer', 'at', 'sum', 'ops', 'reopened', 'why', 'under', 'closedAt', 'ramp', 'closedOf')
local ops = raw[9] or ''

local function four(text)
  local state, failures, successes, next_attempt =
    string.match(text or '', '^([A-Z_]+)|(%d+)|(%d+)|(%d+)$')
  if not STATES[state] then return nil end
  return { state = state, failures = whole(failures), successes = whole(successes),
    next_attempt = whole(next_attempt) }
end

-- What is published again must not spoil the message that it stands in.
local function json_or(text, default)
  return text and #text <= 2048 and pcall(cjson.decode, text) and text or default
end

local plain = { state = STATES[raw[1]] and raw[1] or nil,
  failures = whole(raw[2]), successes = whole(raw[3]), next_attempt = whole(raw[4]) }
local override = { version = 0, writer = '' }

local function mode_of(about) return string.match(about, '^{"mode":"([a-z-]+)"') end
local kept = redis.pcall('HMGET', KEYS[2], 'override', 'override_ops')
if kept[1] then
  local ov, writer, kind, ends, about =
    string.match(kept[1], '^(%d+)|(%w+)|([a-z_-]+)|(%d+)|(.*)$')
  if ov and whole(ov) < LIMIT and KINDS[kind] then
    override = { version = whole(ov), writer = writer, kind = kind, ends = whole(ends),
      about = json_or(about, '{}') }
    override.mode = kind == '-' and mode_of(override.about) or nil
  end
end

local function in_force()
  return (override.kind == 'forced_open' or override.kind == 'disabled')
    and (override.ends == 0 or override.ends > now)
end

-- Whether there is an override at all, be it one that only sets the mode.
local function is_lasting()
  local has_mode = override.mode and override.mode ~= '-'
  return in_force() or (has_mode and (override.ends == 0 or override.ends > now))
end

-- Whether the circuit's hash must not go.
local function holds_hash()
  return override.ends == 0 and (in_force() or (KEYS[2] == KEYS[1] and is_lasting()))
end

local version = whole(raw[5])
if version >= LIMIT then version = 0 end
local is_alone = version == 0 and raw[12] == '-' -- an override, and no state told under it
local shown = (version > 0 or is_alone) and four(raw[8]) or {} -- our own plain fields
local under = version > 0 and four(raw[12]) or nil
local ours = under or (is_alone and {} or shown)
-- Counts alone do not matter: a plain speaker writes them with every call.
local foreign = plain.state ~= nil and (plain.state ~= shown.state
  or (plain.state == 'OPEN' and plain.next_attempt ~= shown.next_attempt))
-- What a plain speaker writes over an override is an echo of that, or a word against it: neither
-- moves what is below.
local written_over = foreign and (under ~= nil or is_alone) and in_force()
foreign = foreign and not written_over
local stored = foreign and plain or under or (is_alone and {} or plain)
stored.failures, stored.successes = stored.failures or 0, stored.successes or 0
stored.next_attempt = stored.next_attempt or 0
stored.version, stored.writer, stored.at = version, raw[6] or '', whole(raw[7])
stored.reopened, stored.why = whole(raw[10]), json_or(raw[11], '')
-- Of this version: one that does not know of them leaves what stands there to the next one's.
local known_closed_at = version > 0 and raw[15] == raw[5] and whole(raw[13]) or 0
local known_ramp = version > 0 and raw[15] == raw[5] and whole(raw[14]) or 0
ours.closed_at, ours.ramp = known_closed_at, known_ramp
stored.closed_at = foreign and 0 or known_closed_at
stored.ramp = foreign and 0 or known_ramp

local what, operation, instance, base, base_writer =
  ARGV[1], ARGV[2], ARGV[3], whole(ARGV[5]), ARGV[6]

local function register()
  return table.concat({ digits(override.version), override.writer, override.kind,
    digits(override.ends), override.about }, '|')
end

local function reply(status)
  local told = stored
  -- What a plain speaker wrote has no version, so it must not be told under the one before it.
  if foreign and status ~= 'foreign' and ours.state then told = ours end
  return { status, digits(stored.version), stored.writer, told.state or '',
    digits(told.failures), digits(told.successes), digits(told.next_attempt),
    digits(stored.at), digits(now_us), digits(stored.reopened), stored.why,
    override.version > 0 and register() or '', digits(told.closed_at), digits(told.ramp) }
end

local function object(four)
  return '{"state":"' .. four.state .. '","failures":' .. digits(four.failures)
    .. ',"successes":' .. digits(four.successes)
    .. ',"nextAttempt":' .. digits(four.next_attempt) .. '}'
end

local function what_shows()
  if not in_force() then return stored end
  if override.kind == 'disabled' then
    return { state = 'CLOSED', failures = stored.failures, successes = stored.successes,
      next_attempt = 0 }
  end
  return { state = 'OPEN', failures = stored.failures, successes = stored.successes,
    next_attempt = override.ends > 0 and override.ends or now + LONGEST_OPEN }
end

local function publish()
  local show = what_shows()
  if not show.state then
    show = { state = 'CLOSED', failures = 0, successes = 0, next_attempt = 0 }
  end
  local message = '{"key":' .. ARGV[12] .. ',"stats":' .. object(show) .. ',"p":' .. ARGV[13]
  if stored.state and stored.version > 0 then
    message = message .. ',"version":"' .. digits(stored.version)
      .. '","writer":"' .. stored.writer .. '","at":' .. digits(stored.at)
      .. ',"reopened":' .. digits(stored.reopened)
    if show ~= stored then message = message .. ',"under":' .. object(stored) end
    if stored.why ~= '' then message = message .. ',"why":' .. stored.why end
    if stored.closed_at > 0 then message = message .. ',"closedAt":' .. digits(stored.closed_at) end
    if stored.ramp > 0 then message = message .. ',"ramp":' .. digits(stored.ramp) end
  end
  if override.version > 0 then
    message = message .. ',"override":{"version":"' .. digits(override.version)
      .. '","writer":"' .. override.writer .. '","kind":"' .. override.kind
      .. '","ends":' .. digits(override.ends) .. ',"about":' .. override.about .. '}'
  end
  redis.call('PUBLISH', ARGV[11], message .. '}')
end

-- Brings the hash into line with "stored" and the override.
local function save()
  foreign = false
  local show = what_shows()
  if not show.state then
    -- There never was a state, and the override is over: leave no trace.
    redis.call('HDEL', KEYS[1], 'state', 'failures', 'successes', 'nextAttempt', 'sum', 'under', 'p')
    return publish()
  end
  local function text(four)
    return table.concat({ four.state, digits(four.failures), digits(four.successes),
      digits(four.next_attempt) }, '|')
  end
  redis.call('HSET', KEYS[1], 'state', show.state, 'failures', digits(show.failures),
    'successes', digits(show.successes), 'nextAttempt', digits(show.next_attempt),
    'sum', text(show), 'p', ARGV[13])
  if stored.state then
    redis.call('HSET', KEYS[1], 'version', digits(stored.version), 'writer', stored.writer,
      'at', digits(stored.at), 'ops', ops, 'reopened', digits(stored.reopened),
      'why', stored.why)
    if stored.closed_at > 0 or stored.ramp > 0 then
      redis.call('HSET', KEYS[1], 'closedAt', digits(stored.closed_at), 'ramp',
        digits(stored.ramp), 'closedOf', digits(stored.version))
    elseif raw[15] then
      redis.call('HDEL', KEYS[1], 'closedAt', 'ramp', 'closedOf')
    end
  end
  if not stored.state then
    redis.call('HSET', KEYS[1], 'under', '-')
  elseif show == stored then
    redis.call('HDEL', KEYS[1], 'under')
  else
    redis.call('HSET', KEYS[1], 'under', text(stored))
  end
  if holds_hash() then
    redis.call('PERSIST', KEYS[1])
  else
    local ends = math.max(stored.next_attempt, show.next_attempt)
    local life = math.max(SHORTEST_LIFE, ends - now + SHORTEST_LIFE)
    if KEYS[2] == KEYS[1] and override.version > 0 then
      life = math.max(life, is_lasting() and override.ends - now + SHORTEST_LIFE or CLEARED_LIFE)
    end
    redis.call('PEXPIRE', KEYS[1], digits(life))
  end
  publish()
end

local function ago(text)
  return text and text ~= '-' and math.max(1, now - whole(text)) or 0
end

local function write(version, writer, state, failures, successes, next_attempt, reopened, why)
  stored = { version = version, writer = writer, state = state, failures = failures,
    successes = successes, next_attempt = next_attempt, at = now, reopened = reopened,
    why = why, closed_at = state == 'CLOSED' and ago(ARGV[22]) or 0,
    ramp = state == 'CLOSED' and ago(ARGV[23]) or 0 }
  save()
end

-- What a forced opening has kept away comes back in shares from then on.
local function let_back(at)
  if at and stored.state == 'CLOSED' and stored.version > 0 and at > stored.at then
    stored.ramp = math.max(stored.ramp, at)
  end
end

-- Gives when a forced opening ended, or ends now; nil: there is none.
local function end_of_opening()
  if override.kind ~= 'forced_open' then return nil end
  return override.ends > 0 and math.min(override.ends, now) or now
end

local function with_operation(known)
  local ids = {}
  for id in string.gmatch(known, '[^ ]+') do ids[#ids + 1] = id end
  ids[#ids + 1] = operation
  return table.concat(ids, ' ', math.max(1, #ids - KEPT_OPERATIONS + 1))
end

local function has_operation(known)
  return string.find(' ' .. known .. ' ', ' ' .. operation .. ' ', 1, true)
end

local function next_version()
  return math.max(stored.version + 1, override.version + 1, now_us, whole(ARGV[4]) + 1)
end

local function next_attempt_of(state)
  if state == 'OPEN' then return now + whole(ARGV[10]) end
  -- While probing the end of the open time stands; the closed state has none.
  return state == 'HALF_OPEN' and math.min(math.max(stored.next_attempt, 0), now) or 0
end

local function stored_is_newer()
  return stored.version > base or (stored.version == base and stored.writer > base_writer)
end

-- An opening that was written in the future is one of a clock that has been set back since.
local function is_running(circuit)
  return circuit.state == 'OPEN' and circuit.next_attempt > now + CLOCK_SLACK
    and circuit.at <= now
end

if what == 'change' or what == 'reset' then
  if has_operation(ops) then
    -- Whoever did not get the answer was cut off, and others may have been, and missed it.
    if not foreign and stored.version > 0 then publish() end
    return reply('repeat')
  end
  if what == 'change' then
    if stored_is_newer() then return reply('refused') end
    -- Who was cut off may have ended by itself what runs on for all the others.
    if ARGV[7] ~= 'OPEN' and not foreign and is_running(stored) then return reply('refused') end
    -- A plain speaker opened it meanwhile: nothing but an opening goes over that.
    if foreign and stored.state ~= 'CLOSED' and ARGV[7] ~= 'OPEN' then
      return reply('foreign')
    end
  end
  ops = with_operation(ops)
  write(next_version(), instance, ARGV[7], whole(ARGV[8]), whole(ARGV[9]),
    next_attempt_of(ARGV[7]), whole(ARGV[17]), ARGV[18])
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
  write(base, base_writer, ARGV[7], whole(ARGV[8]), whole(ARGV[9]), next_attempt_of(ARGV[7]),
    whole(ARGV[17]), ARGV[18])
  return reply('done')
end

-- A plain speaker that has not heard of an opening goes on telling CLOSED while it runs.
local function opening_runs_on()
  return ours.state == 'OPEN' and ours.next_attempt > now and stored.state ~= 'OPEN'
end

local function go_back_to(four)
  four.version, four.writer, four.at = stored.version, stored.writer, stored.at
  four.reopened, four.why = stored.reopened, stored.why
  four.closed_at, four.ramp = known_closed_at, known_ramp
  stored = four
end

-- Gives what a plain speaker wrote a version.
local function adopt_plain(is_live)
  local next_attempt = 0
  if stored.state == 'OPEN' then
    local timeout = whole(ARGV[15])
    local wait = stored.next_attempt - now
    -- A live message tells of an opening just now. An open time that does not fit shows the
    -- clock of its writer to be wrong.
    if is_live and (wait <= 0 or wait > 1.5 * timeout) then wait = timeout end
    next_attempt = now + math.min(math.max(wait, 0), LONGEST_OPEN)
  elseif stored.state == 'HALF_OPEN' then
    next_attempt = math.min(stored.next_attempt, now)
  end
  stored.version, stored.writer, stored.at = next_version(), instance, now
  stored.next_attempt, stored.why = next_attempt, ''
  stored.reopened = stored.state == 'OPEN' and stored.reopened or 0
  local has_recovered = stored.state == 'CLOSED' and (ours.state == 'OPEN' or ours.state == 'HALF_OPEN')
  stored.closed_at = has_recovered and now or 0
  stored.ramp = stored.closed_at
end

-- Decides what stands below an override where a plain speaker wrote before it: that, under a
-- version of its own, unless it has not heard of an opening that still runs.
local function settle_below()
  if not foreign then return end
  if under or (version > 0 and opening_runs_on()) then return go_back_to(ours) end
  adopt_plain(false)
end

if what == 'plain' then
  if not foreign then return reply('same') end
  if opening_runs_on() and ARGV[16] ~= '1' then
    go_back_to(ours)
    save()
    return reply('refused')
  end
  adopt_plain(ARGV[14] == '1')
  save()
  return reply('done')
end

if what == 'show' then
  -- An override has ended, or a plain speaker has written over it, or given it an end: what is
  -- to last until it is cleared must not go with the hash.
  if holds_hash() then redis.call('PERSIST', KEYS[1]) end
  local ended = base > 0 and override.version == base and override.writer == base_writer
  local opening_ended
  if override.version > 0 and override.kind ~= '-' and (ended or not in_force()) then
    opening_ended = end_of_opening()
    -- Over for good, also if the clock is set back.
    override.kind = '-'
    redis.call('HSET', KEYS[2], 'override', register())
  end
  local mode_ended = false
  if override.mode and override.mode ~= '-' and (ended or not is_lasting()) then
    mode_ended, override.mode = true, '-'
    override.about = string.gsub(override.about, '^{"mode":"[a-z]+"', '{"mode":"-"', 1)
    redis.call('HSET', KEYS[2], 'override', register())
  end
  local show = what_shows()
  local is_under = under ~= nil or is_alone
  if not mode_ended and not foreign and not written_over and (show ~= stored) == is_under
    and show.state == shown.state then
    return reply('same')
  end
  if foreign and not in_force() then return reply('foreign') end
  settle_below()
  let_back(opening_ended)
  save()
  return reply('done')
end

if what == 'override' or what == 'restore_override' then
  local known = kept[2] or ''
  local opening_ended = end_of_opening()
  if what == 'override' then
    if has_operation(known) then
      if not foreign then publish() end
      return reply('repeat')
    end
    local lasts = whole(ARGV[20])
    override = { version = next_version(), writer = instance, kind = ARGV[19],
      ends = lasts > 0 and now + lasts or 0, about = ARGV[21], mode = mode_of(ARGV[21]) }
    known = with_operation(known)
  else
    local is_same = override.version == base and override.writer == base_writer
    -- A process of 0.3 has written it back as it knew it.
    local lacks_mode = is_same and override.kind == '-' and not override.mode and mode_of(ARGV[21])
    local is_newer = override.version > base
      or (override.version == base and override.writer >= base_writer)
    if is_newer and not lacks_mode then return reply('same') end
    local lasts = whole(ARGV[20])
    override = { version = base, writer = base_writer, kind = ARGV[19],
      ends = lasts > 0 and now + lasts or 0, about = ARGV[21], mode = mode_of(ARGV[21]) }
  end
  redis.call('HSET', KEYS[2], 'override', register(), 'override_ops', known)
  if KEYS[2] ~= KEYS[1] then
    if not is_lasting() then
      redis.call('PEXPIRE', KEYS[2], digits(CLEARED_LIFE))
    elseif override.ends == 0 then
      redis.call('PERSIST', KEYS[2])
    else
      redis.call('PEXPIREAT', KEYS[2], digits(override.ends + SHORTEST_LIFE))
    end
  end
  settle_below()
  if override.kind == '-' then let_back(opening_ended) end
  save()
  return reply('done')
end

return redis.error_reply('circuit.lua: unknown request ' .. what)
