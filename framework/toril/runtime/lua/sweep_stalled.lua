--[[
  Gives back active jobs whose worker stopped renewing its lock: those without one at two sweeps in a
  row. Once per interval for all workers.
  BullMQ: moveStalledJobsToWait, which suspects every active job. Where the server stood still all
          locks run out at once, and a sweep may come before the renewal that living workers have
          sent as well; that one takes the locks again, and clears the suspicion.

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] now_ms
  ARGV[2] every_ms       the interval
  ARGV[3] limit          of stalls; a job over it carries `defa`
  Returns msgpack {ids given back, ids over the limit}
  Events: waiting, stalled
]]

--- include lib/emit
--- include lib/return_stalled
--- include lib/is_job

local q = queue_at(KEYS[1])
local now_ms = ARGV[1]
local every_ms = ARGV[2]
local limit = tonumber(ARGV[3])
local returned, failed = {}, {}

if not redis.call('SET', q.stalled_check, now_ms, 'PX', every_ms, 'NX') then
  return cmsgpack.pack({ returned, failed })
end
trim_events(q)

local suspects = redis.call('SMEMBERS', q.stalled)
redis.call('DEL', q.stalled)
for _, id in ipairs(suspects) do
  local job_key = q.base .. id
  -- An id without a hash is dropped: putting it back would run a job that was removed.
  if redis.call('EXISTS', job_key .. ':lock') == 0
    and redis.call('LREM', q.active, -1, id) > 0
    and is_job(job_key)
  then
    local list = return_stalled(q, id, limit) and failed or returned
    list[#list + 1] = id
  end
end

local unlocked = {}
for _, id in ipairs(redis.call('LRANGE', q.active, 0, -1)) do
  if redis.call('EXISTS', q.base .. id .. ':lock') == 0 then
    unlocked[#unlocked + 1] = id
  end
end
for first = 1, #unlocked, 1000 do
  redis.call('SADD', q.stalled, unpack(unlocked, first, math.min(first + 999, #unlocked)))
end
return cmsgpack.pack({ returned, failed })
