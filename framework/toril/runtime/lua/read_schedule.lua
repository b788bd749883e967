--[[
  Reads one job scheduler of a queue with its next tick.
  BullMQ: getJobScheduler

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] scheduler      its id
  Returns {id, next tick in ms, the record's fields, state of the tick's job or 'unknown', when that
          job was added or false}; false when there is none
  Events: none
]]

--- include lib/schedule_row

local q = queue_at(KEYS[1])
local scheduler = ARGV[1]

if not pending_tick(q, scheduler) then
  return false
end
return schedule_row(q, scheduler)
