--- include lib/queue

-- How many starts the rate limit leaves, and how long it lasts when there is none left. A limit set
-- by hand is a counter beyond all others, and binds without a maximum too. `limiter`: the worker's own
-- max and duration, nil for none; the queue's max goes before it, its duration behind.
local function allowed_starts(q, limiter)
  local rate = redis.call('HMGET', q.meta, 'max', 'duration')
  local max = tonumber(rate[1]) or limiter.max
  local duration = limiter.duration or tonumber(rate[2])
  local started = tonumber(redis.call('GET', q.limiter)) or 0
  q.limit_duration = max and duration and math.floor(math.abs(duration)) or 0
  local is_limiting = q.limit_duration > 0
  if started >= 9007199254740000 or (is_limiting and started >= max) then
    local ttl = redis.call('PTTL', q.limiter)
    if ttl > 0 then
      return 0, ttl
    end
    redis.call('DEL', q.limiter)
    started = 0
  end
  return is_limiting and max - started or math.huge, 0
end

local function count_starts(q, count)
  if q.limit_duration > 0 and count > 0 and redis.call('INCRBY', q.limiter, count) == count then
    redis.call('PEXPIRE', q.limiter, q.limit_duration)
  end
end
