--[[
  Removes a job and its children, unless one of them is running.
  BullMQ: removeJob

  KEYS[1] base           of the queue; every other key is built from it, or from the key of a parent
                         or a child
  ARGV[1] id
  Returns how many jobs were removed; 0 when a lock is held; -1 no such job; -8 it is the next tick
          of a scheduler
  Events: removed; waiting of a parent that waited for it alone
]]

--- include lib/drop_from_parent
--- include lib/dedup
--- include lib/emit
--- include lib/take_out
--- include lib/pending_tick

local q = queue_at(KEYS[1])
local id = ARGV[1]

local removed = 0

local function is_locked(job_key)
  if redis.call('EXISTS', job_key .. ':lock') == 1 then
    return true
  end
  for _, child_key in ipairs(redis.call('SMEMBERS', job_key .. ':dependencies')) do
    if is_locked(child_key) then
      return true
    end
  end
  return false
end

local function list_children(job_key)
  local children = redis.call('HKEYS', job_key .. ':processed')
  for _, more in ipairs({
    redis.call('HKEYS', job_key .. ':failed'),
    redis.call('ZRANGE', job_key .. ':unsuccessful', 0, -1),
    redis.call('SMEMBERS', job_key .. ':dependencies'),
  }) do
    for _, child_key in ipairs(more) do
      children[#children + 1] = child_key
    end
  end
  return children
end

-- A child is removed before its parent, and unlinked first, so that it does not release it.
local function remove(of_queue, job_id)
  local job_key = of_queue.base .. job_id
  drop_from_parent(job_key)
  local children = list_children(job_key)
  redis.call('DEL', job_key .. ':dependencies')
  for _, child_key in ipairs(children) do
    remove(queue_of(child_key))
  end
  local prev = take_out(of_queue, job_id)
  delete_dedup(of_queue, job_id)
  if delete_job(job_key) > 0 then
    removed = removed + 1
    emit(of_queue, 'removed', 'jobId', job_id, 'prev', prev)
  end
end

local scheduler = redis.call('HGET', q.base .. id, 'rjk')
if scheduler and pending_tick(q, scheduler) == id then
  return -8
end
if is_locked(q.base .. id) then
  return 0
end
remove(q, id)
return removed > 0 and removed or -1
