--- include lib/emit
--- include lib/dedup
--- include lib/requeue_next
--- include lib/add_letter
--- include lib/fail_parent
--- include lib/keep_finished

local function release_waiting_for(q, job, now_ms)
  if job.dedup_id then
    release_dedup(q, job.id, job.dedup_id)
    q.has_requeued = requeue_next(q, job.dedup_id, now_ms) or q.has_requeued
  end
end

local function complete(q, job, outcome, now_ms)
  local result, count, age_ms = outcome[4], outcome[5], outcome[6]
  release_waiting_for(q, job, now_ms)
  for _, parent in ipairs(job.parents or {}) do
    complete_in_parent(job.key, parent[1], result, now_ms)
  end
  if count == 0 then
    drop_from_parent(job.key)
    delete_job(job.key)
  else
    redis.call('HSET', job.key, 'atm', job.made + 1, 'returnvalue', result, 'finishedOn', now_ms)
    keep_finished(q, q.completed, job, count, age_ms, now_ms)
  end
  emit(q, 'completed', 'jobId', job.id, 'returnvalue', result, 'prev', 'active')
end

local function fail(q, job, outcome, now_ms)
  local reason, stacktrace, count, age_ms = outcome[4], outcome[5], outcome[6], outcome[7]
  local attempts, made = outcome[8], job.made + 1
  if outcome[9] then
    add_letter(outcome[9], now_ms)
  end
  release_waiting_for(q, job, now_ms)
  if job.parents then
    flush_kept(q, now_ms)
    for _, parent in ipairs(job.parents) do
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
