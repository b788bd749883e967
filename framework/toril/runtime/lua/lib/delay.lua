--- include lib/mark

-- Puts a job into `delayed`, behind those of the same millisecond; mark_delay(q) has to follow.
local function delay_until(q, id, due_ms)
  local first = due_ms * 4096
  local last = first + 4095
  local behind = redis.call('ZREVRANGEBYSCORE', q.delayed, last, first, 'WITHSCORES', 'LIMIT', 0, 1)
  local score = behind[2] and math.min(tonumber(behind[2]) + 1, last) or first
  redis.call('ZADD', q.delayed, score, id)
end
