-- A window begins with the first request and lasts `window`; amounts are counted in it.
--
-- KEYS: counter, (unused), remembered answer
-- ARGV: limit, window, bucket (unused), best effort 0/1, amount, now, has id 0/1, slack
-- Times are whole microseconds: a double holds them exactly until the year 2255. They are stored
-- in nanoseconds, as Mixer 1.3 does, by appending three zeros to the text.
-- Answer: {granted or released, microseconds it holds}, as texts.

local counter, memory = KEYS[1], KEYS[3]
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local best_effort, amount, now = ARGV[4] == '1', tonumber(ARGV[5]), tonumber(ARGV[6])
local has_id, slack = ARGV[7] == '1', tonumber(ARGV[8])

local function text(number) return string.format('%.0f', number) end
local function to_ns(us) return text(us) .. '000' end
local function from_ns(ns) return math.floor((tonumber(ns) or 0) / 1000 + 0.5) end
local function lives(key, us) redis.call('PEXPIRE', key, text(math.ceil((us + slack) / 1000))) end
local function answer(granted, us) return {text(granted), text(us)} end

if has_id then
  local known = redis.call('HMGET', memory, 'token', 'expire')
  if known[1] and known[2] and from_ns(known[2]) > now then
    return answer(tonumber(known[1]) or 0, from_ns(known[2]) - now)
  end
end

local stored = redis.call('HMGET', counter, 'token', 'expire')
local used, expire = tonumber(stored[1] or '') or 0, from_ns(stored[2] or '')
if now >= expire then
  used, expire = 0, now + window
end

local granted = 0
if amount < 0 then
  granted = math.min(-amount, used)
  used = used - granted
elseif used + amount <= limit then
  granted = amount
  used = used + amount
elseif best_effort and used < limit then
  granted = limit - used
  used = limit
end

if granted <= 0 then
  return answer(0, 0)
end
redis.call('HSET', counter, 'token', text(used), 'expire', to_ns(expire))
lives(counter, expire - now)
if has_id then
  redis.call('HSET', memory, 'token', text(granted), 'expire', to_ns(expire))
  lives(memory, expire - now)
end
return answer(granted, expire - now)
