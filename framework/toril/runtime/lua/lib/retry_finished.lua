--- include lib/push
--- include lib/parents
--- include lib/emit
--- include lib/opts

-- A parent goes back to waiting for this child where the child's end is written down.
local function move_back_to(job_key, parent_key, state)
  if redis.call('EXISTS', parent_key) == 0 then
    return
  end
  local was_noted
  if state == 'failed' then
    was_noted = redis.call('ZREM', parent_key .. ':unsuccessful', job_key) == 1
      or redis.call('HDEL', parent_key .. ':failed', job_key) == 1
  else
    was_noted = redis.call('HDEL', parent_key .. ':processed', job_key) == 1
  end
  if was_noted then
    redis.call('SADD', parent_key .. ':dependencies', job_key)
  end
end

-- The key of a child that failed a job and has to be retried before it, or nil.
local function find_failed_child(q, id)
  return redis.call('ZRANGE', q.base .. id .. ':unsuccessful', 0, 0)[1]
end

-- Runs a job of `completed` or `failed` again, with a fresh budget of stalls; `fresh`: of attempts too.
local function retry_finished(q, id, state, fresh, now_ms)
  local job_key = q.base .. id
  redis.call('ZREM', q[state], id)
  redis.call('HDEL', job_key, 'finishedOn', 'processedOn', 'failedReason', 'returnvalue', 'defa', 'stc',
    't:c')
  if fresh then
    redis.call('HDEL', job_key, 'atm')
  end
  for _, parent in ipairs(read_parents(job_key) or {}) do
    move_back_to(job_key, parent[1], state)
  end
  if redis.call('EXISTS', job_key .. ':dependencies') == 1 then
    redis.call('ZADD', q.waiting_children, now_ms, id)
    emit(q, 'waiting-children', 'jobId', id, 'prev', state)
  else
    local stored = redis.call('HMGET', job_key, 'priority', 'opts')
    push_ready(q, id, tonumber(stored[1]) or 0, opts_of(stored[2]).lifo == true)
    emit(q, 'waiting', 'jobId', id, 'prev', state)
  end
end
