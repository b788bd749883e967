--[[
  Sets or lifts what a queue allows over all its workers, and wakes one that may go on by it.
  BullMQ: none (its client writes these fields of meta)

  KEYS[1] base           of the queue; every other key is built from it
  ARGV, in pairs         a field of meta (concurrency, max, duration) and its value; empty: lifted
  Returns nothing
  Events: none
]]

--- include lib/mark
--- include lib/take_ids

local q = queue_at(KEYS[1])
local pairs_given = ARGV

for n = 1, #pairs_given, 2 do
  local field, value = pairs_given[n], pairs_given[n + 1]
  if value == '' then
    redis.call('HDEL', q.meta, field)
  else
    redis.call('HSET', q.meta, field, value)
  end
end
if has_work(q) then
  mark(q)
end
