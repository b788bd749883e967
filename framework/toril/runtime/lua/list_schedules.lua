--[[
  Reads job schedulers of a queue, each with its next tick.
  BullMQ: getJobSchedulers

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] first          where to begin, by the next tick
  ARGV[2] last           where to end
  Returns {id, next tick in ms, the record's fields, state of the tick's job or 'unknown', when that
          job was added or false} for each, the earliest tick first
  Events: none
]]

--- include lib/schedule_row

local q = queue_at(KEYS[1])
local first, last = ARGV[1], ARGV[2]

local reply = {}
for n, scheduler in ipairs(redis.call('ZRANGE', q.schedulers, first, last)) do
  reply[n] = schedule_row(q, scheduler)
end
return reply
