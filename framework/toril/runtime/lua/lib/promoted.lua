--- include lib/push
--- include lib/emit

-- Tells that a job that was just taken out of `delayed` waits for nothing but a worker.
local function tell_promoted(q, id)
  emit(q, 'waiting', 'jobId', id, 'prev', 'delayed')
  redis.call('HSET', q.base .. id, 'delay', 0)
end

-- Makes a job ready that was just taken out of `delayed`.
local function push_promoted(q, id)
  push_ready(q, id, tonumber(redis.call('HGET', q.base .. id, 'priority')) or 0)
  tell_promoted(q, id)
end
