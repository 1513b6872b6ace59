-- circuit.lua, second part: how a state is written, published, and numbered.

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

-- Whose changes opened the circuit, the last five: one instance that opens it again and again may
-- be the one that is sick.
local function note_opener()
  local openers = {}
  for who in string.gmatch(redis.call('HGET', KEYS[1], 'openers') or '', '%w+') do
    openers[#openers + 1] = who
  end
  openers[#openers + 1] = instance
  redis.call('HSET', KEYS[1], 'openers',
    table.concat(openers, ' ', math.max(1, #openers - KEPT_OPENERS + 1)))
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

-- Beyond what is known, but for versions that lie too far ahead: from the clock.
local function next_version()
  local next = now_us
  for _, known in ipairs({ stored.version, override.version, whole(ARGV[4]) }) do
    if is_near(known) then next = math.max(next, known + 1) end
  end
  return next
end

local function next_attempt_of(state)
  if state == 'OPEN' then return now + whole(ARGV[10]) end
  -- While probing the end of the recovery timeout stands; the closed state has none.
  return state == 'HALF_OPEN' and math.min(math.max(stored.next_attempt, 0), now) or 0
end

local function stored_is_newer()
  return is_newer(stored.version, stored.writer, base, base_writer)
end

