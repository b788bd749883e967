--- include lib/queue

-- Makes delayed jobs that are due ready to run, at most 1000 a call. An id without a job is dropped.
local function promote_due(q, now_ms)
  local last = (now_ms + 1) * 4096 - 1
  local due = redis.call('ZRANGEBYSCORE', q.delayed, '-inf', last, 'LIMIT', 0, 1000)
  if #due == 0 then
    return
  end
  --- include lib/promoted
  --- include lib/is_job
  redis.call('ZREM', q.delayed, unpack(due))
  for _, id in ipairs(due) do
    if is_job(q.base .. id) then
      push_promoted(q, id)
    end
  end
end
