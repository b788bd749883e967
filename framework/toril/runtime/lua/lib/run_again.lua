--- include lib/push
--- include lib/delay
--- include lib/emit
--- include lib/opts

local function retry(q, job, outcome, now_ms)
  local delay_ms = outcome[4]
  redis.call('HSET', job.key, 'failedReason', outcome[5], 'stacktrace', outcome[6],
    'atm', job.made + 1)
  if delay_ms > 0 then
    redis.call('HSET', job.key, 'delay', delay_ms)
    delay_until(q, job.id, now_ms + delay_ms)
    q.has_delayed = true
    emit(q, 'delayed', 'jobId', job.id, 'delay', now_ms + delay_ms)
  else
    local stored = redis.call('HMGET', job.key, 'priority', 'opts')
    push_ready(q, job.id, tonumber(stored[1]) or 0, opts_of(stored[2]).lifo == true)
    emit(q, 'waiting', 'jobId', job.id, 'prev', 'active')
  end
end

local function postpone(q, job, outcome, now_ms)
  local due_ms = math.max(outcome[4], now_ms)
  redis.call('HSET', job.key, 'delay', due_ms - now_ms)
  delay_until(q, job.id, due_ms)
  q.has_delayed = true
  emit(q, 'delayed', 'jobId', job.id, 'delay', due_ms)
end

local function return_to_line(q, job)
  push_back(q, job.id, tonumber(redis.call('HGET', job.key, 'priority')) or 0)
  emit(q, 'waiting', 'jobId', job.id, 'prev', 'active')
end

-- A limit set by hand is the counter's largest value; a longer one that is set already stays.
local function give_back(q, job, outcome)
  local limit_ms = outcome[4]
  return_to_line(q, job)
  if limit_ms > 0 and limit_ms > redis.call('PTTL', q.limiter) then
    redis.call('SET', q.limiter, '9007199254740991', 'PX', limit_ms)
  end
end

-- A job whose children have all ended by now runs again, to see what became of them.
local function wait_for_children(q, job, _, now_ms)
  if job.has_children then
    redis.call('ZADD', q.waiting_children, now_ms, job.id)
    emit(q, 'waiting-children', 'jobId', job.id, 'prev', 'active')
  else
    redis.call('HSET', job.key, 't:w', job.started)
    return_to_line(q, job)
  end
end
