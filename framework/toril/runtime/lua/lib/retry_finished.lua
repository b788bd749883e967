--- include lib/queue_of
--- include lib/push
--- include lib/parents
--- include lib/emit
--- include lib/opts

-- A parent that children were to fail when it is claimed, and that has not been, waits again instead.
local function spare(parent_key, now_ms)
  local reason = redis.call('HGET', parent_key, 'defa')
  if not reason or reason:sub(1, 6) ~= 'child '
    or redis.call('EXISTS', parent_key .. ':unsuccessful') == 1
  then
    return
  end
  local q, id = queue_of(parent_key)
  if redis.call('ZREM', q.prioritized, id) + redis.call('LREM', q.wait, -1, id) > 0 then
    redis.call('HDEL', parent_key, 'defa')
    redis.call('ZADD', q.waiting_children, now_ms, id)
    emit(q, 'waiting-children', 'jobId', id, 'prev', 'waiting')
  end
end

-- A parent goes back to waiting for this child where the child's end is written down.
local function move_back_to(job_key, parent_key, state, now_ms)
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
    spare(parent_key, now_ms)
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
    move_back_to(job_key, parent[1], state, now_ms)
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
