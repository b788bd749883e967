--- include lib/queue_of
--- include lib/push
--- include lib/parents
--- include lib/emit
--- include lib/delete_job
--- include lib/dedup

local drop_from_parent

local function drop_from(job_key, parent_key, hard)
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

-- Unlinks a job that is being removed from the parents that wait for it, and releases each if this
-- was the last. `hard` (drain, clean): a parent of the same queue is removed instead.
drop_from_parent = function(job_key, hard)
  for _, parent in ipairs(read_parents(job_key) or {}) do
    drop_from(job_key, parent[1], hard)
  end
end
