--- include lib/queue_of
--- include lib/drop_from_parent
--- include lib/dedup
--- include lib/emit
--- include lib/take_out

local function is_locked(job_key)
  return redis.call('EXISTS', job_key .. ':lock') == 1
end

-- Removes a job by itself, whatever state it is in, and tells so. Gives 1, or 0 if there was none.
local function remove_one(q, id)
  local job_key = q.base .. id
  drop_from_parent(job_key)
  local prev = take_out(q, id)
  delete_dedup(q, id)
  if delete_job(job_key) == 0 then
    return 0
  end
  emit(q, 'removed', 'jobId', id, 'prev', prev)
  return 1
end

-- Removes jobs, children before their parents; a parent is not released by what goes with it.
local function remove_all(job_keys)
  local removed = 0
  for _, job_key in ipairs(job_keys) do
    redis.call('UNLINK', job_key .. ':dependencies')
  end
  for _, job_key in ipairs(job_keys) do
    removed = removed + remove_one(queue_of(job_key))
  end
  return removed
end
