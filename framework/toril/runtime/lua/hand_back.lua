--[[
  Gives back every active job of a token, because its worker stops or is gone. They run next, and
  nothing is counted against them.
  BullMQ: none

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] token
  Returns msgpack, a list of ids
  Events: waiting
]]

--- include lib/visit_active
--- include lib/push
--- include lib/emit
--- include lib/is_job

local q = queue_at(KEYS[1])
local token = ARGV[1]
local returned = {}

visit_active(q, token, function(id, owned)
  if not owned then
    return
  end
  redis.call('DEL', q.base .. id .. ':lock')
  redis.call('LREM', q.active, -1, id)
  redis.call('SREM', q.stalled, id)
  if is_job(q.base .. id) then
    push_back(q, id, tonumber(redis.call('HGET', q.base .. id, 'priority')) or 0)
    emit(q, 'waiting', 'jobId', id, 'prev', 'active')
    returned[#returned + 1] = id
  end
end)
return cmsgpack.pack(returned)
