--[[
  Makes a delayed job due at another time.
  BullMQ: changeDelay

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] now_ms
  ARGV[2] id
  ARGV[3] delay          from now, in ms
  Returns {0}; {-1} when there is no such job; {-3, its state} when it is not delayed
  Events: delayed
]]

--- include lib/delay
--- include lib/emit
--- include lib/state

local q = queue_at(KEYS[1])
local now_ms = tonumber(ARGV[1])
local id = ARGV[2]
local delay = tonumber(ARGV[3])
local job_key = q.base .. id

if redis.call('EXISTS', job_key) == 0 then
  return { -1 }
end
if redis.call('ZREM', q.delayed, id) == 0 then
  return { -3, state_of(q, id) }
end
redis.call('HSET', job_key, 'delay', delay)
delay_until(q, id, now_ms + delay)
emit(q, 'delayed', 'jobId', id, 'delay', now_ms + delay)
mark_delay(q)
return { 0 }
