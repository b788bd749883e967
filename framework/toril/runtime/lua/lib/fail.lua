--- include lib/emit
--- include lib/delete_job
--- include lib/parents
--- include lib/release_waiting
--- include lib/add_letter
--- include lib/drop_from_parent
--- include lib/fail_parent
--- include lib/keep_finished

local function fail(q, job, outcome, now_ms)
  local reason, stacktrace, count, age_ms = outcome[4], outcome[5], outcome[6], outcome[7]
  local attempts, made = outcome[8], job.made + 1
  if outcome[9] then
    add_letter(outcome[9], now_ms)
  end
  if job.dedup_id then
    release_waiting_for(q, job, now_ms)
  end
  if job.has_parents then
    flush_kept(q, now_ms)
    for _, parent in ipairs(read_parents(job.key) or {}) do
      fail_parent(job.key, parent[1], parent[2], reason, now_ms)
    end
  end
  if count == 0 then
    drop_from_parent(job.key)
    delete_job(job.key)
  else
    redis.call('HSET', job.key, 'atm', made, 'failedReason', reason, 'stacktrace', stacktrace,
      'finishedOn', now_ms)
    redis.call('HDEL', job.key, 'defa')
    keep_finished(q, q.failed, job, count, age_ms, now_ms)
  end
  emit(q, 'failed', 'jobId', job.id, 'failedReason', reason, 'prev', job.was or 'active')
  if made >= attempts then
    emit(q, 'retries-exhausted', 'jobId', job.id, 'attemptsMade', made)
  end
end
