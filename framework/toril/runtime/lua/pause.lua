--[[
  Stops the claiming of a queue's jobs; those that run go on.
  BullMQ: pause

  KEYS[1] base           of the queue; every other key is built from it
  Returns 1, or 0 when it was paused already
  Events: paused
]]

--- include lib/emit

local q = queue_at(KEYS[1])

-- Before all else: it needs no memory, and after a first write a full server lets the others pass.
trim_events(q)
if redis.call('HSET', q.meta, 'paused', '1') == 0 then
  return 0
end
redis.call('DEL', q.marker)
emit(q, 'paused')
return 1
