--[[
  Makes a delayed job ready to run now.
  BullMQ: promote

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] id
  Returns {0}; {-1} when there is no such job; {-3, its state} when it is not delayed
  Events: waiting
]]

--- include lib/promoted
--- include lib/state

local q = queue_at(KEYS[1])
local id = ARGV[1]

if redis.call('EXISTS', q.base .. id) == 0 then
  return { -1 }
end
if redis.call('ZREM', q.delayed, id) == 0 then
  return { -3, state_of(q, id) }
end
push_promoted(q, id)
return { 0 }
