--- include lib/queue

-- Takes a job out of whatever state it is in; gives BullMQ's name of the key it was in.
local function take_out(q, id)
  if redis.call('ZREM', q.completed, id) == 1 then
    return 'completed'
  elseif redis.call('ZREM', q.waiting_children, id) == 1 then
    return 'waiting-children'
  elseif redis.call('ZREM', q.delayed, id) == 1 then
    return 'delayed'
  elseif redis.call('ZREM', q.failed, id) == 1 then
    return 'failed'
  elseif redis.call('ZREM', q.prioritized, id) == 1 then
    return 'prioritized'
  elseif redis.call('LREM', q.active, 0, id) > 0 then
    return 'active'
  elseif redis.call('LREM', q.wait, -1, id) > 0 then
    return 'wait'
  elseif redis.call('LREM', q.paused, -1, id) > 0 then
    return 'paused'
  end
  return 'unknown'
end
