--- include lib/drop_from_parent
--- include lib/job_keys

-- Deletes jobs that were just taken out of their state, and all that hangs on them: the parents of
-- the same queue that waited for them alone too. `with_locks` deletes their locks as well.
local function remove_jobs(q, ids, with_locks)
  local gone = {}
  for _, id in ipairs(ids) do
    local job_key = q.base .. id
    local links = redis.pcall('HMGET', job_key, 'parentKey', 'deid')
    if links[1] then
      drop_from_parent(job_key, true)
    end
    if links[2] then
      delete_dedup(q, id)
    end
    append_job_keys(gone, job_key)
    if with_locks then
      gone[#gone + 1] = job_key .. ':lock'
    end
    if #gone >= 700 then
      redis.call('UNLINK', unpack(gone))
      gone = {}
    end
  end
  if #gone > 0 then
    redis.call('UNLINK', unpack(gone))
  end
end
