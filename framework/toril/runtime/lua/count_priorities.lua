--[[
  Counts the jobs that are ready to run by their priority.
  BullMQ: getCountsPerPriority

  KEYS[1] base           of the queue; every other key is built from it
  ARGV    the priorities, 0 for jobs without one
  Returns how many jobs have each
  Events: none
]]

--- include lib/queue

local q = queue_at(KEYS[1])

local reply = {}
for n, text in ipairs(ARGV) do
  local priority = tonumber(text)
  if priority == 0 then
    reply[n] = redis.call('LLEN', q.wait) + redis.call('LLEN', q.paused)
  else
    local first = priority * 4294967296
    reply[n] = redis.call('ZCOUNT', q.prioritized, first, first + 4294967295)
  end
end
return reply
