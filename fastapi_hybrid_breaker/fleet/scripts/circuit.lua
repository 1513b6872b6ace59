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
--         14 plain: 1 for a live message, whose recovery timeout must be near (see 15)
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
-- wrote them: where it differs, a writer of the basic format was here after us ("foreign").
-- An override is kept as version|writer|kind|end (ms, 0: until cleared)|by and reason. One that
-- sets the mode, and no state, has the kind "-", which is all that processes of 0.3 understand of
-- it, and the mode before by and reason: shadow, enforced, or "-" when it is over.

if what == 'change' or what == 'reset' then
  if has_operation(ops) then
    -- Whoever did not get the answer was cut off, and others may have been, and missed it.
    if not foreign and stored.version > 0 then publish() end
    return reply('repeat')
  end
  if what == 'change' then
    if stored_is_newer() then return reply('refused') end
    -- Who was cut off may have ended by itself what runs on for all the others.
    if ARGV[7] ~= 'OPEN' and not foreign
      and is_running(stored.state, stored.next_attempt, stored.at) then
      return reply('refused')
    end
    -- A basic-format client opened it meanwhile: nothing but an opening goes over that.
    if foreign and stored.state ~= 'CLOSED' and ARGV[7] ~= 'OPEN' then
      return reply('foreign')
    end
  end
  ops = with_operation(ops)
  if ARGV[7] == 'OPEN' then note_opener() end
  write(next_version(), instance, ARGV[7], whole(ARGV[8]), whole(ARGV[9]),
    next_attempt_of(ARGV[7]), whole(ARGV[17]), ARGV[18])
  return reply('done')
end

if what == 'restore' then
  if stored_is_newer() then return reply('refused') end
  if not foreign and stored.version == base and stored.writer == base_writer and stored.state then
    return reply('same')
  end
  -- A basic-format client's word stands, but for one: it may not end an opening that it has not heard of.
  if foreign and not (ARGV[7] == 'OPEN' and whole(ARGV[10]) > 0 and stored.state ~= 'OPEN') then
    return reply('foreign')
  end
  write(base, base_writer, ARGV[7], whole(ARGV[8]), whole(ARGV[9]), next_attempt_of(ARGV[7]),
    whole(ARGV[17]), ARGV[18])
  return reply('done')
end

-- A basic-format client that has not heard of an opening goes on telling CLOSED while it runs.
local function opening_runs_on()
  return ours.state == 'OPEN' and ours.next_attempt > now and stored.state ~= 'OPEN'
end

local function go_back_to(four)
  four.version, four.writer, four.at = stored.version, stored.writer, stored.at
  four.reopened, four.why = stored.reopened, stored.why
  four.closed_at, four.ramp = known_closed_at, known_ramp
  stored = four
end

-- Gives what a basic-format client wrote a version.
local function adopt_plain(is_live)
  local next_attempt = 0
  if stored.state == 'OPEN' then
    local timeout = whole(ARGV[15])
    local wait = stored.next_attempt - now
    -- A live message tells of an opening just now. A recovery timeout that does not fit shows the
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

-- Decides what stands below an override where a basic-format client wrote before it: that, under a
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
  -- An override has ended, or a basic-format client has written over it, or given it an end: what is
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
    local is_old = is_same or is_newer(override.version, override.writer, base, base_writer)
    if is_old and not lacks_mode then return reply('same') end
    local lasts = whole(ARGV[20])
    override = { version = base, writer = base_writer, kind = ARGV[19],
      ends = lasts > 0 and now + lasts or 0, about = ARGV[21], mode = mode_of(ARGV[21]) }
  end
  redis.call('HSET', KEYS[2], 'override', register(), 'override_ops', known)
  -- Where this is the circuit's own hash, what stands there of a state makes it live longer below.
  if not is_lasting() then
    redis.call('PEXPIRE', KEYS[2], digits(CLEARED_LIFE))
  elseif override.ends == 0 then
    redis.call('PERSIST', KEYS[2])
  else
    redis.call('PEXPIREAT', KEYS[2], digits(override.ends + SHORTEST_LIFE))
  end
  settle_below()
  if override.kind == '-' then let_back(opening_ended) end
  save()
  return reply('done')
end

return redis.error_reply('circuit.lua: unknown request ' .. what)
