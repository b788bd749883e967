--- include lib/queue

-- The instants of the last starts, newest first, as many as the limit allows: BullMQ's own counter
-- starts over with each window, and lets nearly twice as many through around its edge.
local function starts_key(q)
  return q.base .. 'meta:t:starts'
end

-- How many of `wanted` starts are left in the window that ends now. Of the starts before, only the
-- oldest of those that count are looked at.
local function left_in_window(q, wanted, now_ms)
  local max, first = q.limit_max, math.max(q.limit_max - wanted, 0)
  local left = math.min(wanted, max)
  for _, started_ms in ipairs(redis.call('LRANGE', starts_key(q), first, max - 1)) do
    if tonumber(started_ms) > now_ms - q.limit_duration then
      left = left - 1
    end
  end
  return left
end

-- When the next start is possible, from now.
local function next_start_ms(q, now_ms)
  local oldest = redis.call('LINDEX', starts_key(q), q.limit_max - 1)
  return math.max((tonumber(oldest) or now_ms) + q.limit_duration - now_ms, 1)
end

-- The clocks of workers differ a little; no start counts as earlier than the one before.
local function note_starts(q, count, now_ms)
  local key = starts_key(q)
  local started_ms = math.max(now_ms, tonumber(redis.call('LINDEX', key, 0)) or 0)
  for _ = 1, count do
    redis.call('LPUSH', key, string.format('%.0f', started_ms))
  end
  redis.call('LTRIM', key, 0, q.limit_max - 1)
  redis.call('PEXPIRE', key, 2 * q.limit_duration + 60000)
end
