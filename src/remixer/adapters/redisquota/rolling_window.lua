-- Amounts are counted in buckets; a bucket stops counting `window` after its beginning.
--
-- KEYS: totals, full buckets, remembered answer
-- ARGV: limit, window, bucket, best effort 0/1, amount, now, has id 0/1, slack
-- Times are whole microseconds: a double holds them exactly until the year 2255. They are stored
-- in nanoseconds, as Mixer 1.3 does, by appending three zeros to the text. As scores they lose
-- the last digits, but different microseconds stay in order.
-- Answer: {granted or released, microseconds it holds}, as texts.

local totals, buckets, memory = KEYS[1], KEYS[2], KEYS[3]
local limit, window, bucket = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local best_effort, amount, now = ARGV[4] == '1', tonumber(ARGV[5]), tonumber(ARGV[6])
local has_id, slack = ARGV[7] == '1', tonumber(ARGV[8])

local function text(number) return string.format('%.0f', number) end
local function to_ns(us) return text(us) .. '000' end
local function from_ns(ns) return math.floor((tonumber(ns) or 0) / 1000 + 0.5) end
local function lives(key, us) redis.call('PEXPIRE', key, text(math.ceil((us + slack) / 1000))) end
local function answer(granted, us) return {text(granted), text(us)} end
local function amount_of(member) return tonumber(string.match(member, '%.(.*)$') or '') or 0 end

if has_id then
  local known = redis.call('HMGET', memory, 'token', 'expire')
  if known[1] and known[2] and from_ns(known[2]) > now then
    return answer(tonumber(known[1]) or 0, from_ns(known[2]) - now)
  end
end

local stored = redis.call('HMGET', totals, 'token', 'bucket.token', 'bucket.timestamp', 'key')
local used, current = tonumber(stored[1] or '') or 0, tonumber(stored[2] or '') or 0
local began, sequence = now, tonumber(stored[4] or '') or 0
if stored[3] then
  began = from_ns(stored[3])
else
  redis.call('DEL', buckets)
end

if now - began >= bucket then
  if current > 0 then
    redis.call('ZADD', buckets, to_ns(began), text(sequence) .. '.' .. text(current))
    sequence = sequence + 1
  end
  current, began = 0, now
end

local horizon = to_ns(now - window)
for _, member in ipairs(redis.call('ZRANGEBYSCORE', buckets, '-inf', horizon)) do
  used = used - amount_of(member)
end
redis.call('ZREMRANGEBYSCORE', buckets, '-inf', horizon)
-- The server may have evicted the one key and not the other.
if redis.call('EXISTS', buckets) == 0 then used = current end
used = math.max(used, current)

local function release(wanted)
  -- The newest amounts first, as memquota does.
  local released = math.min(wanted, current)
  current = current - released
  while released < wanted do
    local newest = redis.call('ZRANGE', buckets, -1, -1, 'WITHSCORES')
    if not newest[1] then break end
    local held = amount_of(newest[1])
    local part = math.min(wanted - released, held)
    redis.call('ZREM', buckets, newest[1])
    if part < held then
      redis.call('ZADD', buckets, newest[2], text(sequence) .. '.' .. text(held - part))
      sequence = sequence + 1
    end
    released = released + part
  end
  used = math.max(used - released, 0)
  return released
end

local granted, holds = 0, window
if amount < 0 then
  granted, holds = release(-amount), 0
else
  local available = limit - used
  if available >= amount then
    granted = amount
  elseif available > 0 and best_effort then
    granted = available
  end
  used, current = used + granted, current + granted
end

redis.call('HSET', totals, 'token', text(used), 'bucket.token', text(current),
  'bucket.timestamp', to_ns(began), 'key', text(sequence))
lives(totals, window + bucket)
lives(buckets, window + bucket)
if granted <= 0 then
  return answer(0, 0)
end
if has_id then
  redis.call('HSET', memory, 'token', text(granted), 'expire', to_ns(now + window))
  lives(memory, window)
end
return answer(granted, holds)
