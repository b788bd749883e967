--- include lib/settings

-- What bounds the starts of a queue per time, as functions; nil where nothing does, as in most.
-- `limiter`: the worker's own max and duration, nil for none; the queue's max goes before it, its
-- duration behind.
local function find_rate(q, limiter)
  local settings = settings_of(q)
  local max = settings.rate_max or limiter.max
  local duration = limiter.duration or settings.rate_duration
  local started = tonumber(redis.call('GET', q.limiter)) or 0
  if not (max and duration) and started == 0 then
    return nil
  end
  --- include lib/rate_limit
  return {
    allowed_starts = function(wanted, now_ms)
      return allowed_starts(q, max, duration, started, wanted, now_ms)
    end,
    count_starts = function(count, now_ms)
      count_starts(q, count, now_ms)
    end,
    next_start_ms = function(now_ms)
      return next_start_ms(q, now_ms)
    end,
  }
end
