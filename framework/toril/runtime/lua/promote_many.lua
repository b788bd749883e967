--[[
  Makes the delayed jobs that are due first ready to run now.
  BullMQ: promoteJobs

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] count          how many at most
  Returns {how many were promoted, how many are delayed still}
  Events: waiting
]]

--- include lib/emit
--- include lib/is_job
--- include lib/promoted

local q = queue_at(KEYS[1])
local count = tonumber(ARGV[1])

local ids = redis.call('ZRANGE', q.delayed, 0, count - 1)
local promoted = 0
if #ids > 0 then
  trim_events(q)
  redis.call('ZREM', q.delayed, unpack(ids))
end
for _, id in ipairs(ids) do
  if is_job(q.base .. id) then
    push_promoted(q, id)
    promoted = promoted + 1
  end
end
return { promoted, redis.call('ZCARD', q.delayed) }
