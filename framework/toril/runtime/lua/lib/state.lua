--- include lib/queue

-- Where a job is: the name of its state, or 'unknown'.
local function state_of(q, id)
  if redis.call('ZSCORE', q.completed, id) then
    return 'completed'
  elseif redis.call('ZSCORE', q.failed, id) then
    return 'failed'
  elseif redis.call('ZSCORE', q.delayed, id) then
    return 'delayed'
  elseif redis.call('ZSCORE', q.prioritized, id) then
    return 'prioritized'
  elseif redis.call('LPOS', q.active, id) then
    return 'active'
  elseif redis.call('LPOS', q.wait, id) or redis.call('LPOS', q.paused, id) then
    return 'waiting'
  elseif redis.call('ZSCORE', q.waiting_children, id) then
    return 'waiting-children'
  end
  return 'unknown'
end
