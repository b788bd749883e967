--[[
  Replaces a job's data, and takes fields off that are settled by it.
  BullMQ: updateData

  KEYS[1] base           of the queue; the job's key is built from it
  ARGV[1] id
  ARGV[2] data           JSON
  ARGV[n] field          further ones: fields of the job to delete
  Returns 0, or -1 when there is no such job
  Events: none
]]

local job_key = KEYS[1] .. ARGV[1]
local data = ARGV[2]

if redis.call('EXISTS', job_key) == 0 then
  return -1
end
redis.call('HSET', job_key, 'data', data)
for n = 3, #ARGV do
  redis.call('HDEL', job_key, ARGV[n])
end
return 0
