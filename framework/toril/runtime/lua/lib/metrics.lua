--- include lib/queue

-- Appends the minutes since the last count, the newest at the head; those without a job count 0.
local function close_minutes(key, count, since_ms, now_ms, most)
  local passed = math.floor(now_ms / 60000) - math.floor(since_ms / 60000)
  local minutes = math.min(passed, most)
  if minutes <= 0 then
    return
  end
  local before = tonumber(redis.call('HGET', key, 'prevCount')) or 0
  redis.call('LPUSH', key .. ':data', count - before)
  for first = 1, minutes - 1, 1000 do
    local zeros = {}
    for n = 1, math.min(1000, minutes - first) do
      zeros[n] = 0
    end
    redis.call('LPUSH', key .. ':data', unpack(zeros))
  end
  redis.call('LTRIM', key .. ':data', 0, most - 1)
  redis.call('HSET', key, 'prevCount', count, 'prevTS', now_ms)
end

local function count_kind(q, kind, finished, now_ms, most)
  local key = q.base .. 'metrics:' .. kind
  local count = redis.call('HINCRBY', key, 'count', finished) - finished
  local since_ms = tonumber(redis.call('HGET', key, 'prevTS'))
  if since_ms then
    close_minutes(key, count, since_ms, now_ms, most)
  else
    redis.call('HSET', key, 'prevTS', now_ms, 'prevCount', 0)
  end
end

-- Counts the jobs of a call that finished, minute by minute as BullMQ does; `most` minutes are kept.
-- A key that is not of its type is left as it is: nothing hangs on it.
local function count_finished(q, outcomes, codes, now_ms, most)
  local finished = { 0, 0 }
  for n, outcome in ipairs(outcomes) do
    if codes[n] == 0 and finished[outcome[1]] then
      finished[outcome[1]] = finished[outcome[1]] + 1
    end
  end
  for n, kind in ipairs({ 'completed', 'failed' }) do
    if finished[n] > 0 then
      pcall(count_kind, q, kind, finished[n], now_ms, most)
    end
  end
end
