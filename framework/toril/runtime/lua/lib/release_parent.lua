--- include lib/queue_of
--- include lib/push
--- include lib/delay
--- include lib/emit

-- Makes a job ready that was just taken out of waiting-children.
local function release_parent(q, id, now_ms)
  local fields = redis.call('HMGET', q.base .. id, 'priority', 'delay')
  local delay = tonumber(fields[2]) or 0
  if delay > 0 then
    redis.call('ZADD', q.delayed, (now_ms + delay) * 4096, id)
    emit(q, 'delayed', 'jobId', id, 'delay', now_ms + delay)
    mark_delay(q)
  else
    push_ready(q, id, tonumber(fields[1]) or 0, true)
    emit(q, 'waiting', 'jobId', id, 'prev', 'waiting-children')
  end
end

-- Releases a parent that waits for its children and has none left to wait for.
local function release_if_done(parent_key, now_ms)
  local q, id = queue_of(parent_key)
  if redis.call('EXISTS', parent_key .. ':dependencies') == 0
    and redis.call('EXISTS', parent_key) == 1
    and redis.call('ZREM', q.waiting_children, id) == 1
  then
    release_parent(q, id, now_ms)
  end
end
