--[[
  Adds a line to a job's log.
  BullMQ: addLog

  KEYS[1] base           of the queue; the job's keys are built from it
  ARGV[1] id
  ARGV[2] line
  ARGV[3] keep           how many lines stay, or -1 for all
  Returns how many lines there are, or -1 when there is no such job
  Events: none
]]

local job_key = KEYS[1] .. ARGV[1]
local line, keep = ARGV[2], tonumber(ARGV[3])

if redis.call('EXISTS', job_key) == 0 then
  return -1
end
local count = redis.call('RPUSH', job_key .. ':logs', line)
if keep < 0 then
  return count
end
if keep == 0 then
  redis.call('DEL', job_key .. ':logs')
else
  redis.call('LTRIM', job_key .. ':logs', -keep, -1)
end
return math.min(count, keep)
