--[[
  Removes a job scheduler and its next tick, unless that is ready to run already.
  BullMQ: removeJobScheduler

  KEYS[1] base           of the queue; every other key is built from it, or from the base of a queue
                         with jobs that end the work of a tick
  ARGV[1] scheduler      its id
  ARGV[2] owner          project that must own it; empty: whoever owns it
  Returns 1, 0 when there is no such scheduler, -6 when it is not the owner's
  Events: removed
]]

--- include lib/emit
--- include lib/delete_job
--- include lib/pending_tick
--- include lib/tick_at_work

local q = queue_at(KEYS[1])
local scheduler, owner = ARGV[1], ARGV[2]
local key = q.base .. 'repeat:' .. scheduler

local pending = pending_tick(q, scheduler)
if not pending and redis.call('EXISTS', key) == 0 then
  return 0
end
if owner ~= '' and redis.call('HGET', key, 't:p') ~= owner then
  return -6
end
if pending and redis.call('ZREM', q.delayed, pending) == 1 then
  delete_job(q.base .. pending)
  emit(q, 'removed', 'jobId', pending, 'prev', 'delayed')
end
redis.call('ZREM', q.schedulers, scheduler)
redis.call('DEL', key)
-- A schedule that comes back, after a pause, must know what it started before.
if not tick_at_work(q, scheduler) then
  redis.call('HDEL', ticks_key(q), scheduler)
end
return 1
