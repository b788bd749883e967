--- include lib/mark

-- Behind the others of its priority.
local function push_prioritized(q, id, priority)
  local order = redis.call('INCR', q.pc) % 4294967296
  redis.call('ZADD', q.prioritized, priority * 4294967296 + order, id)
  mark(q)
end

-- Ready to run, behind the others; `next_up`: ahead of all that wait without a priority.
local function push_ready(q, id, priority, next_up)
  if priority > 0 then
    push_prioritized(q, id, priority)
  else
    redis.call(next_up and 'RPUSH' or 'LPUSH', q.wait, id)
    mark(q)
  end
end

-- Ready to run, ahead of the others of its priority.
local function push_back(q, id, priority)
  if priority > 0 then
    redis.call('ZADD', q.prioritized, priority * 4294967296, id)
    mark(q)
  else
    push_ready(q, id, 0, true)
  end
end
