-- An instance lives: notes it, forgets who has not been seen for long, counts who lives, and now
-- and then lets all hear that the channel works.
--
-- KEYS[1]  sorted set: instances by when they were last seen (ms)
-- KEYS[2]  hash: what they say of themselves, in the same slot; field "#tick": the last tick (ms)
-- ARGV     1 instance   2 about it, as JSON; "": it leaves   3 ms without a sign after which one
--          counts as lost   4 ms after which it is forgotten   5 ms between ticks
--          6 channel for signals   7 protocol number
-- Returns  how many live, 1 if the instance was not among them before.

local time = redis.call('TIME')
local now = math.floor(tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000)
local lost, forgotten, every = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', now - forgotten))
-- Seen in the future, by a clock that was set back since: they will be seen again.
local ahead = redis.call('ZRANGEBYSCORE', KEYS[1], string.format('%.0f', now + 1000), '+inf')
for at = 1, #ahead do gone[#gone + 1] = ahead[at] end
if ARGV[2] == '' then gone[#gone + 1] = ARGV[1] end
for at = 1, #gone do
  redis.call('ZREM', KEYS[1], gone[at])
  redis.call('HDEL', KEYS[2], gone[at])
end

local is_new = false
if ARGV[2] ~= '' then
  is_new = redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1]) == 1
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
  local last = whole(redis.call('HGET', KEYS[2], '#tick'))
  -- Who comes is made known at once, so that nobody takes himself for the only one; but not by a
  -- tick for each of a thousand that start together.
  local live = redis.call('ZCOUNT', KEYS[1], string.format('%.0f', now - lost), '+inf')
  if now - last >= every or last > now or (is_new and (live <= 32 or now - last >= 100)) then
    redis.call('HSET', KEYS[2], '#tick', string.format('%.0f', now))
    redis.call('PUBLISH', ARGV[6], '{"p":' .. ARGV[7] 
      .. ',"signal":"tick","live":' .. live .. '}')
  end
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', forgotten * 2))
  redis.call('PEXPIRE', KEYS[2], string.format('%.0f', forgotten * 2))
end
return { redis.call('ZCOUNT', KEYS[1], string.format('%.0f', now - lost), '+inf'), is_new and 1 or 0 }
