--[[
  Ends the rate limit that holds a queue now, set by hand or by its starts; a new window begins.
  BullMQ: none (its client deletes the key)

  KEYS[1] base           of the queue; every other key is built from it
  Returns 1, or 0 when nothing was counted or held
  Events: none
]]

--- include lib/mark
--- include lib/take_ids

local q = queue_at(KEYS[1])

local was_there = redis.call('DEL', q.limiter, q.base .. 'meta:t:starts', q.base .. 'meta:t:counted')
if has_work(q) then
  mark(q)
end
return math.min(was_there, 1)
