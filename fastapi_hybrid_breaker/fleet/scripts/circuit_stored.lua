-- circuit.lua, first part: what stands in the hash and in the register, and the answer.

local KEPT_OPERATIONS = 8
local KEPT_OPENERS = 5
local SHORTEST_LIFE = 3600 * 1000
local CLEARED_LIFE = 7 * 24 * 3600 * 1000 -- an instance away for less does not bring it back
local KINDS = { forced_open = true, disabled = true, ['-'] = true }
local MODES = { shadow = true, enforced = true, ['-'] = true }

local raw = redis.call('HMGET', KEYS[1], 'state', 'failures', 'successes', 'nextAttempt',
  'version', 'writer', 'at', 'sum', 'ops', 'reopened', 'why', 'under', 'closedAt', 'ramp', 'closedOf')
local ops = raw[9] or ''

local told = basic(raw[1], raw[2], raw[3], raw[4])
local override = { version = 0, writer = '' }

local function mode_of(about)
  local mode = string.match(about, '^{"mode":"([a-z-]+)"')
  return MODES[mode] and mode or nil
end
local kept = redis.pcall('HMGET', KEYS[2], 'override', 'override_ops')
if kept[1] then
  local ov, writer, kind, ends, about =
    string.match(kept[1], '^(%d+)|(%w+)|([a-z_-]+)|(%d+)|(.*)$')
  if version_of(ov, writer) > 0 and KINDS[kind] and number(ends) and is_flat_json(about) then
    override = { version = whole(ov), writer = writer, kind = kind, ends = number(ends),
      about = about }
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

local version = version_of(raw[5], raw[6])
local is_alone = version == 0 and raw[12] == '-' -- an override, and no state told under it
local shown = (version > 0 or is_alone) and four(raw[8]) or {} -- our own plain fields
local under = version > 0 and four(raw[12]) or nil
local ours = under or (is_alone and {} or shown)
-- Counts alone do not matter: a basic-format client writes them with every call.
local plain = told or shown
local foreign = told ~= nil and (plain.state ~= shown.state
  or (plain.state == 'OPEN' and plain.next_attempt ~= shown.next_attempt))
-- What a basic-format client writes over an override is an echo of that, or a word against it: neither
-- moves what is below.
local written_over = foreign and (under ~= nil or is_alone) and in_force()
foreign = foreign and not written_over
local stored = foreign and plain or under or (is_alone and {} or plain)
stored.failures, stored.successes = stored.failures or 0, stored.successes or 0
stored.next_attempt = stored.next_attempt or 0
stored.version, stored.writer, stored.at = version, version > 0 and raw[6] or '', whole(raw[7])
stored.reopened, stored.why = count_of(raw[10]) or 0, is_flat_json(raw[11]) and raw[11] or ''
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
  -- What a basic-format client wrote has no version, so it must not be told under the one before it.
  if foreign and status ~= 'foreign' and ours.state then told = ours end
  return { status, digits(stored.version), stored.writer, told.state or '',
    digits(told.failures), digits(told.successes), digits(told.next_attempt),
    digits(stored.at), digits(now_us), digits(stored.reopened), stored.why,
    override.version > 0 and register() or '', digits(told.closed_at), digits(told.ramp) }
end

