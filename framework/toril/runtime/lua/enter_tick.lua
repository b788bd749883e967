--[[
  Lets a tick begin unless the work of a former one has not ended; that it began is noted.
  BullMQ: none

  KEYS[1] base           of the queue; every other key is built from it, or from the base of a queue
                         with jobs that end the work of a tick
  ARGV[1] scheduler      its id
  ARGV[2] tick           id of the tick's job; one that has begun before begins again
  ARGV[3] ends           msgpack, the jobs with which its work ends: {base of the queue, id} each
  Returns 1 if it begins, 0 if it has to wait
  Events: none
]]

--- include lib/tick_at_work

local q = queue_at(KEYS[1])
local scheduler, tick, ends = ARGV[1], ARGV[2], ARGV[3]

local former = tick_at_work(q, scheduler)
if former and former ~= tick then
  return 0
end
redis.call('HSET', ticks_key(q), scheduler, cmsgpack.pack({ tick, cmsgpack.unpack(ends) }))
return 1
