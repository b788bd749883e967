--[[
  Keeps the result of a durable step with its job; the first that is kept stays.
  BullMQ: none

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] id
  ARGV[2] mark           of the start that ran the step, `TOKEN#ATS`
  ARGV[3] field          of the job that holds the step's result
  ARGV[4] result         JSON
  ARGV[5] most           how many fields the job may have
  Returns the result that is kept; or -1 no such job, -6 another start owns it, -13 too many steps
  Events: none
]]

local job_key = KEYS[1] .. ARGV[1]
local mark, field, result, most = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])

local owner, started = unpack(redis.call('HMGET', job_key, 't:o', 'ats'))
if not owner and redis.call('EXISTS', job_key) == 0 then
  return -1
-- Another runtime that starts the job counts the start and leaves the mark.
elseif owner ~= mark or string.match(mark, '#(%d+)$') ~= started then
  return -6
end
local kept = redis.call('HGET', job_key, field)
if kept then
  return kept
elseif redis.call('HLEN', job_key) >= most then
  return -13
end
redis.call('HSET', job_key, field, result)
return result
