--- include lib/push
--- include lib/emit

-- Makes a job ready that was just taken out of `delayed`.
local function push_promoted(q, id)
  local job_key = q.base .. id
  push_ready(q, id, tonumber(redis.call('HGET', job_key, 'priority')) or 0)
  emit(q, 'waiting', 'jobId', id, 'prev', 'delayed')
  redis.call('HSET', job_key, 'delay', 0)
end
