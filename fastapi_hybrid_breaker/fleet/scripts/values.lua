-- How all scripts read what stands in Redis; fleet/values.py reads it the same way, and a table of
-- inputs in the tests holds the two together. It stands before each script in what is sent.

local LATEST = 2 ^ 53 - 1      -- of a time; above, two texts are one number
local MOST_COUNTED = 10 ^ 12
local STATES = { CLOSED = true, OPEN = true, HALF_OPEN = true }
local LONGEST_TEXT = 2048      -- bytes of JSON beside a state or an override

-- A whole number from 0 to 2^53 - 1, written as 1 to 16 ASCII digits; nil for anything else. Some
-- languages write whole numbers with ".0" behind them.
local function number(text)
  if type(text) ~= 'string' then return nil end
  text = string.gsub(text, '%.0$', '')
  if #text > 16 or not string.find(text, '^%d+$') then return nil end
  local value = tonumber(text)
  return value <= LATEST and value or nil
end

-- The same, and 0 for anything else.
local function whole(text) return number(text) or 0 end

-- A field of a basic-format client: 0 where it is absent, nil where it is malformed.
local function time_of(text) return text and number(text) or (not text and 0 or nil) end

-- The same; what is above the range counts as its end, since a state matters more than a figure.
local function count_of(text)
  local value = time_of(text)
  return value and math.min(value, MOST_COUNTED)
end

-- tostring() would turn numbers of this size into 1.79e+15
local function digits(value) return string.format('%.0f', value) end

local function is_name(text)
  return type(text) == 'string' and #text <= 64 and string.find(text, '^%w+$') ~= nil
end

-- The four fields of the basic format count as a whole or, if one is malformed, not at all.
local function basic(state, failures, successes, next_attempt)
  failures, successes, next_attempt =
    count_of(failures), count_of(successes), time_of(next_attempt)
  if not (STATES[state] and failures and successes and next_attempt) then return nil end
  return { state = state, failures = failures, successes = successes, next_attempt = next_attempt }
end

-- The same as one text: state|failures|successes|nextAttempt.
local function four(text)
  return basic(string.match(text or '', '^([A-Z_]+)|(%d+)|(%d+)|(%d+)$'))
end

local function is_utf8(text)
  -- Too long for what they are, surrogates, beyond the last character.
  if string.find(text, '\224[\128-\159]') or string.find(text, '\237[\160-\191]')
    or string.find(text, '\240[\128-\143]') or string.find(text, '\244[\144-\191]') then
    return false
  end
  text = string.gsub(text, '[\240-\244][\128-\191][\128-\191][\128-\191]', '_')
  text = string.gsub(text, '[\224-\239][\128-\191][\128-\191]', '_')
  text = string.gsub(text, '[\194-\223][\128-\191]', '_')
  return not string.find(text, '[\128-\255]')
end

-- Whether it is an object of nothing but texts and counts. cjson alone takes more than JSON is: NaN,
-- hexadecimal numbers, control characters. What is published must not spoil the message around it.
local function is_flat_json(text)
  if not text or #text > LONGEST_TEXT or string.find(text, '[%z\1-\31]') or not is_utf8(text) then
    return false
  end
  local shape = string.gsub(string.gsub(text, '\\.', '_'), '"[^"]*"', 's')
  return string.find(shape, '^ *{[s:, %d]*} *$') and not string.find(shape, '[:, ]0%d')
    and (pcall(cjson.decode, text))
end
