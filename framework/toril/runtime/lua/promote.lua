--[[
  Makes a delayed job ready to run now.
  BullMQ: promote

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] id
  Returns {0}; {-1} when there is no such job; {-3, its state} when it is not delayed
  Events: waiting
]]

--- include lib/push
--- include lib/emit
--- include lib/state

local q = queue_at(KEYS[1])
local id = ARGV[1]
local job_key = q.base .. id

if redis.call('EXISTS', job_key) == 0 then
  return { -1 }
end
if redis.call('ZREM', q.delayed, id) == 0 then
  return { -3, state_of(q, id) }
end
push_ready(q, id, tonumber(redis.call('HGET', job_key, 'priority')) or 0)
emit(q, 'waiting', 'jobId', id, 'prev', 'delayed')
redis.call('HSET', job_key, 'delay', 0)
return { 0 }
