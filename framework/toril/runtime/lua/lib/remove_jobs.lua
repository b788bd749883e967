--- include lib/drop_from_parent
--- include lib/job_keys

-- Deletes jobs that were just taken out of their state, and all that hangs on them: the parents of
-- the same queue that waited for them alone too. `links` may have the fields that were read of each;
-- `with_locks` deletes their locks as well.
local function remove_jobs(q, ids, links, with_locks)
  local gone = {}
  for n, id in ipairs(ids) do
    local job_key = q.base .. id
    local link = links and links[n] or redis.pcall('HMGET', job_key, 'parentKey', 'deid')
    if link[1] then
      drop_from_parent(job_key, true)
    end
    if link[2] then
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
