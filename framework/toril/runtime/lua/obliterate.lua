--[[
  Removes what a paused queue holds, at most `size` jobs or schedulers in a call; at the end the queue
  itself, but for `meta`, and what only a search of all keys finds.
  BullMQ: obliterate

  KEYS[1] base           of the queue; every other key is built from it, or from a parent's key
  ARGV[1] size
  ARGV[2] force          1: active jobs too
  Returns {how many jobs were removed, 1 when nothing is left}; {-1} not paused; {-2} active jobs
  Events: none, but waiting of a parent in another queue
]]

--- include lib/oldest_ids
--- include lib/remove_jobs

local q = queue_at(KEYS[1])
local size, force = tonumber(ARGV[1]), ARGV[2] == '1'

local STATES = {
  'active', 'waiting-children', 'delayed', 'completed', 'failed', 'wait', 'paused', 'prioritized',
}

local function remove_of_state(state, at_most)
  local ids = oldest_ids(q, state, 0, at_most)
  local taken = { ids = ids }
  take_out_ids(q, state, 0, taken, #ids)
  remove_jobs(q, ids, nil, true)
  return #ids
end

local function remove_schedulers(at_most)
  local names = redis.call('ZRANGE', q.schedulers, 0, at_most - 1)
  for _, name in ipairs(names) do
    redis.call('UNLINK', q.schedulers .. ':' .. name)
    redis.call('ZREM', q.schedulers, name)
  end
  return #names
end

if redis.call('HEXISTS', q.meta, 'paused') == 0 then
  return { -1 }
end
if not force and redis.call('LLEN', q.active) > 0 then
  return { -2 }
end
local removed = 0
for _, state in ipairs(STATES) do
  removed = removed + remove_of_state(state, size - removed)
  if removed >= size then
    return { removed, 0 }
  end
end
if removed + remove_schedulers(size - removed) >= size then
  return { removed, 0 }
end
redis.call('UNLINK', q.events, q.marker, q.stalled, q.stalled_check, q.limiter, q.id, q.pc,
  q.base .. 'delay', q.base .. 'priority', q.base .. 'metrics:completed',
  q.base .. 'metrics:completed:data', q.base .. 'metrics:failed', q.base .. 'metrics:failed:data')
return { removed, 1 }
