--- include lib/starts

local HELD_BY_HAND = 9007199254740000

-- What peers started in the window of BullMQ's counter: all of it but what Toril counted there.
local function started_by_peers(q, started)
  return math.max(started - (tonumber(redis.call('GET', q.base .. 'meta:t:counted')) or 0), 0)
end

-- How many of `wanted` starts the rate limit leaves, and how long it lasts when there is none left.
-- A limit set by hand is a counter beyond all others, and binds without a maximum. `max`, `duration`:
-- of the limit, nil for none; `started`: BullMQ's counter.
local function allowed_starts(q, max, duration, started, wanted, now_ms)
  q.limit_max = max
  q.limit_duration = max and duration and math.floor(math.abs(duration)) or 0
  local ttl = started > 0 and redis.call('PTTL', q.limiter) or 0
  if ttl < 0 then
    -- A counter that never runs out limits nothing.
    redis.call('DEL', q.limiter)
    started = 0
  elseif started >= HELD_BY_HAND then
    return 0, math.max(ttl, 1)
  end
  if q.limit_duration == 0 then
    return wanted, 0
  end
  local peers = started_by_peers(q, started)
  local left = math.max(math.min(left_in_window(q, wanted, now_ms), max - peers), 0)
  if left > 0 then
    return left, 0
  end
  return 0, peers >= max and math.max(ttl, 1) or next_start_ms(q, now_ms)
end

local function count_starts(q, count, now_ms)
  if q.limit_duration == 0 or count == 0 then
    return
  end
  if redis.call('INCRBY', q.limiter, count) == count then
    redis.call('PEXPIRE', q.limiter, q.limit_duration)
    redis.call('DEL', q.base .. 'meta:t:counted')
  end
  redis.call('INCRBY', q.base .. 'meta:t:counted', count)
  redis.call('PEXPIRE', q.base .. 'meta:t:counted', math.max(redis.call('PTTL', q.limiter), 1))
  note_starts(q, count, now_ms)
end
