--[[
  Runs finished jobs again, those that finished first before others.
  BullMQ: moveJobsToWait

  KEYS[1] base           of the queue; every other key is built from it, or from a parent's key
  ARGV[1] now_ms
  ARGV[2] state          failed or completed
  ARGV[3] finished_by    in ms: later ones stay
  ARGV[4] passed         how many to pass over first: they were refused before
  ARGV[5] count          how many to look at, at most 1000
  ARGV[6] fresh          1: attempts count from the beginning; 0: as many as are left
  Returns {how many were retried, how many stay because a child that failed them comes first,
          how many were looked at}
  Events: waiting, or waiting-children of those that have children to wait for
]]

--- include lib/emit
--- include lib/is_job
--- include lib/retry_finished

local q = queue_at(KEYS[1])
local now_ms, state, finished_by = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local passed, count = ARGV[4], ARGV[5]
local fresh = ARGV[6] == '1'

local ids = redis.call('ZRANGEBYSCORE', q[state], '-inf', finished_by, 'LIMIT', passed, count)
if #ids > 0 then
  trim_events(q)
end
local retried, refused = 0, 0
for _, id in ipairs(ids) do
  if not is_job(q.base .. id) then
    redis.call('ZREM', q[state], id)
  elseif find_failed_child(q, id) then
    refused = refused + 1
  else
    retry_finished(q, id, state, fresh, now_ms)
    retried = retried + 1
  end
end
return { retried, refused, #ids }
