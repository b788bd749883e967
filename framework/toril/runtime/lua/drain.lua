--[[
  Removes jobs that wait, the oldest of one state, at most `size` in a call; ticks of schedulers stay.
  BullMQ: drain

  KEYS[1] base           of the queue; every other key is built from it, or from a parent's key
  ARGV[1] state          wait, paused, prioritized or delayed
  ARGV[2] skip           how many to pass over: those that earlier calls left
  ARGV[3] size
  Returns {how many were removed, how many it looked at, how many of these stay,
          1 if none is left to look at}
  Events: none
]]

--- include lib/emit
--- include lib/remove_batch

local q = queue_at(KEYS[1])
local state, skip, size = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

-- Before all else: it needs no memory, and after a first write a full server lets the others pass.
trim_events(q)
local removed, looked_at, left = remove_batch(q, state, skip, size, function()
  return true
end)
return { #removed, looked_at, left, looked_at < size and 1 or 0 }
