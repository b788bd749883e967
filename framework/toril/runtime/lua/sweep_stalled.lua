--[[
  Gives back active jobs whose worker stopped renewing its lock: those that were active at the last
  sweep, have not been renewed since and have no lock now. Once per interval for all workers.
  BullMQ: moveStalledJobsToWait

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] now_ms
  ARGV[2] every_ms       the interval
  ARGV[3] limit          of stalls; a job over it carries `defa`
  Returns msgpack {ids given back, ids over the limit}
  Events: waiting, stalled
]]

--- include lib/emit
--- include lib/return_stalled
--- include lib/job_keys

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

local active = redis.call('LRANGE', q.active, 0, -1)
for first = 1, #active, 1000 do
  redis.call('SADD', q.stalled, unpack(active, first, math.min(first + 999, #active)))
end
return cmsgpack.pack({ returned, failed })
