--- include lib/push
--- include lib/emit
--- include lib/job_keys

-- Makes delayed jobs that are due ready to run, at most 1000 a call. An id without a job is dropped.
local function promote_due(q, now_ms)
  local last = (now_ms + 1) * 4096 - 1
  local due = redis.call('ZRANGEBYSCORE', q.delayed, '-inf', last, 'LIMIT', 0, 1000)
  if #due == 0 then
    return
  end
  redis.call('ZREM', q.delayed, unpack(due))
  for _, id in ipairs(due) do
    local job_key = q.base .. id
    if is_job(job_key) then
      push_ready(q, id, tonumber(redis.call('HGET', job_key, 'priority')) or 0)
      emit(q, 'waiting', 'jobId', id, 'prev', 'delayed')
      redis.call('HSET', job_key, 'delay', 0)
    end
  end
end
