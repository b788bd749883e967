--- include lib/push
--- include lib/emit
--- include lib/job_keys
--- include lib/dedup

-- Unlinks a job that is being removed from the parent that waits for it, and releases the parent if
-- this was the last. `hard` (drain, clean): a parent of the same queue is removed instead.
local function drop_from_parent(job_key, hard)
  local parent_key = redis.call('HGET', job_key, 'parentKey')
  if not parent_key or parent_key == '' then
    return
  end
  local children = parent_key .. ':dependencies'
  if redis.call('SREM', children, job_key) == 0 or redis.call('EXISTS', children) == 1 then
    return
  end
  local q, id = queue_of(parent_key)
  if redis.call('ZREM', q.waiting_children, id) == 0 then
    return
  end
  if hard and queue_of(job_key) == q then
    drop_from_parent(parent_key, hard)
    delete_dedup(q, id)
    delete_job(parent_key)
    return
  end
  redis.call('RPUSH', q.wait, id)
  mark(q)
  if not hard then
    emit(q, 'waiting', 'jobId', id, 'prev', 'waiting-children')
  end
end
