--[[
  Stores how far a job is.
  BullMQ: updateProgress

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] id
  ARGV[2] progress       JSON
  Returns 0, or -1 when there is no such job
  Events: progress
]]

--- include lib/emit

local q = queue_at(KEYS[1])
local id, progress = ARGV[1], ARGV[2]

if redis.call('EXISTS', q.base .. id) == 0 then
  return -1
end
redis.call('HSET', q.base .. id, 'progress', progress)
emit(q, 'progress', 'jobId', id, 'data', progress)
return 0
