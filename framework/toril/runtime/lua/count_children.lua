--[[
  Counts the children of a job by how they stand.
  BullMQ: getDependencyCounts

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] id
  Returns {pending, completed, ignored, failed}
  Events: none
]]

local base, id = KEYS[1], ARGV[1]
local job_key = base .. id

return {
  redis.call('SCARD', job_key .. ':dependencies'),
  redis.call('HLEN', job_key .. ':processed'),
  redis.call('HLEN', job_key .. ':failed'),
  redis.call('ZCARD', job_key .. ':unsuccessful'),
}
