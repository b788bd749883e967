--- include lib/push
--- include lib/emit

-- Whether the job is an iteration of a scheduler that still exists: such a job never runs out of
-- stalls, or the schedule would die with it.
local function has_live_scheduler(q, job_key)
  local scheduler = redis.call('HGET', job_key, 'rjk')
  return scheduler
    and (redis.call('EXISTS', q.base .. 'repeat:' .. scheduler) == 1
      or redis.call('ZSCORE', q.schedulers, scheduler) ~= false)
end

-- Puts a job that was just taken out of `active` back because its worker is gone. Over the limit of
-- stalls it carries `defa`, by which the next worker fails it. Gives whether that is so.
local function return_stalled(q, id, limit)
  local job_key = q.base .. id
  local stalls = (tonumber(redis.call('HGET', job_key, 'stc')) or 0) + 1
  redis.call('HSET', job_key, 'stc', stalls)
  local is_over = stalls > limit and not has_live_scheduler(q, job_key)
  if is_over then
    redis.call('HSET', job_key, 'defa', 'job stalled more than allowable limit')
  end
  push_ready(q, id, 0, true)
  emit(q, 'waiting', 'jobId', id, 'prev', 'active')
  emit(q, 'stalled', 'jobId', id)
  return is_over
end
