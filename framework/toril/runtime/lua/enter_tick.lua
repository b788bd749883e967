--[[
  Lets a tick begin unless the work of a former one has not ended; that it began is noted.
  BullMQ: none

  KEYS[1] base           of the queue; every other key is built from it, or from the base of a queue
                         with jobs that end the work of a tick
  ARGV[1] scheduler      its id
  ARGV[2] tick           id of the tick's job; one that has begun before begins again
  ARGV[3] ends           msgpack, the jobs with which its work ends: {base of the queue, id} each
  Returns 1 if it begins, 0 if it has to wait
  Events: none
]]

--- include lib/state
--- include lib/job_keys

local q = queue_at(KEYS[1])
local scheduler, tick, ends = ARGV[1], ARGV[2], ARGV[3]
local key = q.base .. 'meta:t:ticks'

local function is_unfinished(base, id)
  local set = set_of(queue_at(base), id)
  return is_job(base .. id) and set ~= 'completed' and set ~= 'failed'
end

local begun = redis.call('HGET', key, scheduler)
if begun then
  local former = cmsgpack.unpack(begun)
  if former[1] ~= tick then
    for _, job in ipairs(former[2]) do
      if is_unfinished(job[1], job[2]) then
        return 0
      end
    end
  end
end
redis.call('HSET', key, scheduler, cmsgpack.pack({ tick, cmsgpack.unpack(ends) }))
return 1
