--- include lib/queue

-- When the next delayed job is due, or nil.
local function next_due_ms(q)
  local first = redis.call('ZRANGE', q.delayed, 0, 0, 'WITHSCORES')
  return first[2] and math.floor(tonumber(first[2]) / 4096) or nil
end
