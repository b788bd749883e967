--[[
  Stores with a job the keys that bind it to its queue's limits per key.
  BullMQ: none

  KEYS[1] base           of the queue; the job's key is built from it
  ARGV[1] id
  ARGV[2] limit_keys     JSON
  Returns 0, or -1 when there is no such job
  Events: none
]]

local job_key = KEYS[1] .. ARGV[1]
local limit_keys = ARGV[2]

if redis.call('EXISTS', job_key) == 0 then
  return -1
end
redis.call('HSET', job_key, 't:k', limit_keys)
return 0
