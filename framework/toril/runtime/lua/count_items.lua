--[[
  Counts the items of a flow's step that were added all, by how they stand.
  BullMQ: none

  KEYS[1] base           of the queue; the job's keys are built from it
  ARGV[1] id
  ARGV[n] needed         further ones: keys of the jobs that the step needs, which are its children too
  Returns {how many items, pending, completed}, or {} before all are there
  Events: none
]]

local job_key = KEYS[1] .. ARGV[1]

local fields = redis.call('HMGET', job_key, 'data', 't:g', 't:d')
local is_json, described = pcall(cjson.decode, fields[1] or '')
if not fields[2] or fields[3] or not is_json then
  return {}
end
local pending = redis.call('SCARD', job_key .. ':dependencies')
local completed = redis.call('HLEN', job_key .. ':processed')
for n = 2, #ARGV do
  pending = pending - redis.call('SISMEMBER', job_key .. ':dependencies', ARGV[n])
  completed = completed - redis.call('HEXISTS', job_key .. ':processed', ARGV[n])
end
return { described.items, pending, completed }
