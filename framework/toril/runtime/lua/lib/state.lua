--- include lib/queue

local SETS = { 'completed', 'failed', 'delayed', 'prioritized', 'waiting_children' }

-- The set that a job is in, or nil.
local function set_of(q, id)
  for _, name in ipairs(SETS) do
    if redis.call('ZSCORE', q[name], id) then
      return name
    end
  end
  return nil
end

-- Where a job is: the name of its state, or 'unknown'. Lists come last, to search them takes longer.
local function state_of(q, id)
  local set = set_of(q, id)
  if set then
    return set == 'waiting_children' and 'waiting-children' or set
  elseif redis.call('LPOS', q.active, id) then
    return 'active'
  elseif redis.call('EXISTS', q.base .. id) == 1
    and (redis.call('LPOS', q.wait, id) or redis.call('LPOS', q.paused, id))
  then
    return 'waiting'
  end
  return 'unknown'
end
