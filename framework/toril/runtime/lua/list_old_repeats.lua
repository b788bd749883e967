--[[
  Finds repeatable jobs of the kind that BullMQ had before its job schedulers.
  BullMQ: none

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] first          where to begin among all that repeats
  ARGV[2] last           where to end
  Returns {how many it looked at, the names of those}
  Events: none
]]

--- include lib/queue

local q = queue_at(KEYS[1])
local first, last = ARGV[1], ARGV[2]

local names, old = redis.call('ZRANGE', q.schedulers, first, last), {}
for _, name in ipairs(names) do
  -- Every job scheduler counts its ticks there.
  if redis.call('HEXISTS', q.schedulers .. ':' .. name, 'ic') == 0 then
    old[#old + 1] = name
  end
end
return { #names, old }
