-- What the instances of a fleet count together of one CLOSED circuit: its run of failures, the
-- calls in its windows, and who has opened it for itself.
--
-- KEYS[1]  the circuit's hash
-- KEYS[2]  where the evidence is kept: a hash of its own in the same slot, or KEYS[1] again
-- ARGV     1 what: report | confirm (that a run may open the circuit) | vote
--          2 instance  3 number of the report, rising
--          4 version, 5 writer of the state under which it was counted
--          6 channel for signals  7 the key as JSON  8 protocol number
--          9 failures in a row that open it; 0: no such rule, or one too long to be told
--         10 failures: how long ago each was (us), separated by spaces
--         11 how long ago the last success was (us), the failures being later; "-": not told
--         12 what basic-format clients count: failures in a row and how long ago (us), "n:us"; "-": nothing
--         13 1: its own calls reach the rate of a rule
--         14 calls, a line each: window|width of a bucket (ms)|buckets|how long ago (ms)|kinds with commas
--         15 vote: milliseconds for which it stands, 0: withdrawn
--         16 confirm: milliseconds that all have had to object to the run
-- Returns  status, run of failures, ms since it reached the threshold or -1, ms since calls are
--          added up or -1, votes, then by twos: window, calls in it by kind with commas.
--          Status: done | unsaid (a run that is still to be announced: report again) | confirmed |
--          refused | stale (counted under another state) | missing (no state: write it back).
--
-- Evidence of one state of the circuit goes with it: field ":of" names it.

local LONGEST_RUN = 500
local RUN_LIFE = 3600 * 1000000 -- us after which a failure leaves the run
local SAID_EVERY = 100         -- ms between announcements of one circuit (armed, hot)
local ARMED_AGAIN = 1000       -- ms after which failures are announced again: messages get lost
local HOT_AGAIN = 500
local SUSPECT_LIFE = 1000
local LIFE = 2 * 3600 * 1000
local KINDS = 5

local what, instance, report, base, base_writer = ARGV[1], ARGV[2], whole(ARGV[3]), ARGV[4], ARGV[5]
local threshold = whole(ARGV[9])

local raw = redis.call('HMGET', KEYS[1], 'version', 'writer', 'state', 'override')
local version = version_of(raw[1], raw[2])
if version > 0 and (digits(version) ~= base or raw[2] ~= base_writer) then
  return { 'stale', '0', '-1', '-1', '0' }
end
-- Nothing tells whose base is right; with each taking its own for that, they would undo each other's.
if version == 0 and base ~= '0' then return { 'missing', '0', '-1', '-1', '0' } end

local kept = redis.call('HMGET', KEYS[2], ':of', ':run', ':plain', ':success', ':armed', ':suspect',
  ':said', ':hot', ':votes', ':seen:' .. instance)
if kept[1] ~= base .. '|' .. base_writer then
  if KEYS[2] ~= KEYS[1] then
    redis.call('DEL', KEYS[2])
  else
    for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
      if string.sub(field, 1, 1) == ':' then redis.call('HDEL', KEYS[2], field) end
    end
  end
  kept = {}
end

local function put(field, value) redis.call('HSET', KEYS[2], field, value) end
put(':of', base .. '|' .. base_writer)
-- A state or an override in the same hash says how long that lives.
if KEYS[2] ~= KEYS[1] or not (raw[3] or raw[4]) then redis.call('PEXPIRE', KEYS[2], digits(LIFE)) end

local function signal(name, ms)
  redis.call('PUBLISH', ARGV[6], '{"p":' .. ARGV[8] .. ',"key":' .. ARGV[7] .. ',"signal":"' .. name
    .. '","version":"' .. base .. '","writer":"' .. base_writer .. '","ms":' .. digits(ms) .. '}')
end
local said = whole(kept[7])
local function may_say() return now - said >= SAID_EVERY or said > now end
local function say(name, ms)
  said = now
  put(':said', digits(now))
  signal(name, ms)
end

-- The run: when each failure was (us) and who met it, the oldest first.

-- What was noted in the future was noted by a clock that has been set back since.
local function counts_on(at) return at <= now_us and at >= now_us - RUN_LIFE end

local run = {}
for at, who in string.gmatch(kept[2] or '', '(%d+):(%w+)') do
  if counts_on(whole(at)) then run[#run + 1] = { at = whole(at), who = who } end
end
local success = whole(kept[4])
if success > now_us then success = 0 end
local plain = { count = 0, at = 0 }
local plain_count, plain_at = string.match(kept[3] or '', '^(%d+):(%d+)$')
if plain_count and counts_on(whole(plain_at)) then
  plain = { count = math.min(whole(plain_count), LONGEST_RUN), at = whole(plain_at) }
end
local armed, suspect = whole(kept[5]), whole(kept[6])

local function count()
  return #run + plain.count
end

local function merge()
  -- Failures that come with a success are later than it; only successes told before take them.
  local added = {}
  for age in string.gmatch(ARGV[10], '%d+') do
    local at = now_us - whole(age)
    if at > success and counts_on(at) then added[#added + 1] = { at = at, who = instance } end
  end
  local told, told_age = string.match(ARGV[12], '^(%d+):(%d+)$')
  if told and now_us - whole(told_age) >= plain.at then
    plain = { count = math.min(whole(told), LONGEST_RUN), at = now_us - whole(told_age) }
    if plain.count == 0 then success = math.max(success, plain.at) end
  end
  if ARGV[11] ~= '-' then success = math.max(success, now_us - whole(ARGV[11])) end
  if plain.at <= success then plain.count = 0 end
  for _, failure in ipairs(run) do
    if failure.at > success then added[#added + 1] = failure end
  end
  table.sort(added, function(one, other) return one.at < other.at end)
  run = {}
  for at = math.max(1, #added - LONGEST_RUN + 1), #added do
    run[#run + 1] = added[at]
  end
end

local function announce(before, dropped)
  if count() == 0 then
    suspect = 0
    if armed > 0 then signal('end', 0) end
    armed = 0
  elseif threshold > 0 and count() >= threshold then
    -- Nobody has confirmed it for long: all need the time to object anew.
    if suspect == 0 or suspect > now or now - suspect > SUSPECT_LIFE then
      suspect = now
      local first = math.min(run[1] and run[1].at or now_us, plain.count > 0 and plain.at or now_us)
      say('suspect', (now_us - first) / 1000)
    end
  else
    suspect = 0
    local is_due = armed == 0 or armed > now or dropped or now - armed >= ARMED_AGAIN
    local is_news = before < count() or dropped or armed == 0
    if is_news and is_due and may_say() then
      armed = now
      say('armed', RUN_LIFE / 1000)
    end
  end
end

local function save_run()
  local words = {}
  for at = 1, #run do words[at] = digits(run[at].at) .. ':' .. run[at].who end
  put(':run', table.concat(words, ' '))
  put(':plain', digits(plain.count) .. ':' .. digits(plain.at))
  put(':success', digits(success))
  put(':armed', digits(armed))
  put(':suspect', digits(suspect))
end

-- Calls in windows, in a ring of buckets by server time.

local function add_up(tallies)
  local windows, order = {}, {}
  for name, width, buckets, age, kinds in
    string.gmatch(tallies, '([^|\n]+)|(%d+)|(%d+)|(%d+)|([%d,]+)') do
    width, buckets = math.max(1, whole(width)), math.min(100, math.max(1, whole(buckets)))
    local index = math.floor((now - whole(age)) / width)
    if not windows[name] then
      local fields = {}
      for at = 0, buckets - 1 do fields[at + 1] = ':calls:' .. at .. ':' .. name end
      windows[name] = { width = width, buckets = buckets,
        ring = redis.call('HMGET', KEYS[2], unpack(fields)) }
      order[#order + 1] = name
    end
    local window = windows[name]
    local at = index % window.buckets
    local was, sums = string.match(window.ring[at + 1] or '', '^(%d+)|([%d,]+)$')
    if not was or whole(was) < index or whole(was) * width > now then
      window.ring[at + 1] = digits(index) .. '|' .. kinds
    elseif whole(was) == index then
      local added, other = {}, string.gmatch(kinds, '%d+')
      for one in string.gmatch(sums, '%d+') do
        added[#added + 1] = digits(whole(one) + whole(other()))
      end
      window.ring[at + 1] = digits(index) .. '|' .. table.concat(added, ',')
    end -- else it has left the window already
    put(':calls:' .. at .. ':' .. name, window.ring[at + 1])
  end
  return windows, order
end

local function totals(window)
  local sums, present = {}, math.floor(now / window.width)
  for kind = 1, KINDS do sums[kind] = 0 end
  for at = 1, window.buckets do
    local index, kinds = string.match(window.ring[at] or '', '^(%d+)|([%d,]+)$')
    if index and whole(index) > present - window.buckets and whole(index) <= present then
      local kind = 0
      for one in string.gmatch(kinds, '%d+') do
        kind = kind + 1
        if kind <= KINDS then sums[kind] = sums[kind] + whole(one) end
      end
    end
  end
  for kind = 1, KINDS do sums[kind] = digits(math.min(sums[kind], MOST_COUNTED)) end
  return table.concat(sums, ',')
end

local hot_since, hot_until, hot_said = string.match(kept[8] or '', '^(%d+)|(%d+)|(%d+)$')
hot_since, hot_until, hot_said = whole(hot_since), whole(hot_until), whole(hot_said)
if hot_since > now or hot_said > now then hot_since, hot_until, hot_said = 0, 0, 0 end

local function heat(windows)
  local longest = 0
  for _, window in pairs(windows) do
    longest = math.max(longest, window.width * window.buckets)
  end
  if longest == 0 then return end
  if hot_until <= now then hot_since = now end
  hot_until = now + longest
  if now - hot_said >= HOT_AGAIN and may_say() then
    hot_said = now
    say('hot', longest)
  end
  put(':hot', digits(hot_since) .. '|' .. digits(hot_until) .. '|' .. digits(hot_said))
end

local votes = {}
for who, till in string.gmatch(kept[9] or '', '(%w+):(%d+)') do
  if whole(till) > now and who ~= instance then votes[#votes + 1] = who .. ':' .. till end
  if whole(till) > now and who == instance and what ~= 'vote' then
    votes[#votes + 1] = who .. ':' .. till
  end
end

local answer = { 'done' }
local windows, order = {}, {}

if what == 'vote' then
  if whole(ARGV[15]) > 0 then
    votes[#votes + 1] = instance .. ':' .. digits(now + whole(ARGV[15]))
  end
  put(':votes', table.concat(votes, ' '))
elseif what == 'confirm' then
  local is_open = threshold > 0 and count() >= threshold and suspect > 0
    and now - suspect >= whole(ARGV[16])
  answer[1] = is_open and 'confirmed' or 'refused'
elseif report > whole(kept[10]) then
  -- A report that comes again, since its answer got lost, has been counted already.
  put(':seen:' .. instance, digits(report))
  if ARGV[10] ~= '' or ARGV[11] ~= '-' or ARGV[12] ~= '-' or (count() > 0 and armed == 0) then
    local before, last = count(), success
    merge()
    announce(before, success > last and before > 0)
    save_run()
  end
  windows, order = add_up(ARGV[14])
  if ARGV[13] == '1' then heat(windows) end
end

if what == 'report' and count() > 0 and armed == 0 and suspect == 0 then answer[1] = 'unsaid' end
answer[2] = digits(count())
answer[3] = suspect > 0 and digits(math.max(0, now - suspect)) or '-1'
answer[4] = hot_until > now and digits(now - hot_since) or '-1'
answer[5] = digits(#votes)
for _, name in ipairs(order) do
  answer[#answer + 1] = name
  answer[#answer + 1] = totals(windows[name])
end
return answer
