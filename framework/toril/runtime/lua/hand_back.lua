--[[
  Gives back every active job of a token, because its worker stops or is gone. They run next.
  BullMQ: none; with blame as moveStalledJobsToWait

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] token
  ARGV[2] blame          1: the worker died, each job's stall is counted
  ARGV[3] limit          of stalls; a job over it carries `defa`
  Returns msgpack {ids given back, ids over the limit}
  Events: waiting; with blame also stalled
]]

--- include lib/owner
--- include lib/push
--- include lib/emit
--- include lib/return_stalled
--- include lib/job_keys

local q = queue_at(KEYS[1])
local token = ARGV[1]
local blame = ARGV[2] == '1'
local limit = tonumber(ARGV[3])
local returned, failed = {}, {}

visit_active(q, token, function(id, owned)
  if not owned then
    return
  end
  redis.call('DEL', q.base .. id .. ':lock')
  redis.call('LREM', q.active, -1, id)
  redis.call('SREM', q.stalled, id)
  if not is_job(q.base .. id) then
    return
  end
  if blame then
    local list = return_stalled(q, id, limit) and failed or returned
    list[#list + 1] = id
  else
    push_back(q, id, tonumber(redis.call('HGET', q.base .. id, 'priority')) or 0)
    emit(q, 'waiting', 'jobId', id, 'prev', 'active')
    returned[#returned + 1] = id
  end
end)
return cmsgpack.pack({ returned, failed })
