--- include lib/emit
--- include lib/keep_finished

local tell_parents

-- What tells a job's parents its result; made when the first job comes that has any.
local function for_parents()
  if not tell_parents then
    --- include lib/parents
    --- include lib/complete_in_parent
    tell_parents = function(job, result, now_ms)
      for _, parent in ipairs(read_parents(job.key) or {}) do
        complete_in_parent(job.key, parent[1], result, now_ms)
      end
    end
  end
  return tell_parents
end

local function complete(q, job, outcome, now_ms)
  local result, count, age_ms = outcome[4], outcome[5], outcome[6]
  if job.dedup_id then
    --- include lib/release_waiting
    release_waiting_for(q, job, now_ms)
  end
  if job.has_parents then
    for_parents()(job, result, now_ms)
  end
  if count == 0 then
    --- include lib/delete_job
    delete_job(job.key)
  else
    redis.call('HSET', job.key, 'atm', job.made + 1, 'returnvalue', result, 'finishedOn', now_ms)
    keep_finished(q, q.completed, job, count, age_ms, now_ms)
  end
  emit(q, 'completed', 'jobId', job.id, 'returnvalue', result, 'prev', 'active')
end
