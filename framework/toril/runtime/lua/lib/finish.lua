--- include lib/emit
--- include lib/dedup
--- include lib/requeue_next
--- include lib/add_letter
--- include lib/fail_parent
--- include lib/trim_kept

-- Adds the finished jobs that are held back to their sets, and trims these.
local function flush_kept(q, now_ms)
  for set, kept in pairs(q.kept) do
    redis.call('ZADD', set, unpack(kept.members))
    trim_kept(q, set, kept.count, kept.age_ms, now_ms)
  end
  q.kept = {}
end

-- Keeps a finished job. Jobs of one call with one rule are held back, to be added and trimmed as one.
local function keep_finished(q, set, job, count, age_ms, now_ms)
  local kept = q.kept[set]
  if kept and (kept.count ~= count or kept.age_ms ~= age_ms) then
    flush_kept(q, now_ms)
    kept = nil
  end
  if not kept then
    kept = { count = count, age_ms = age_ms, members = {} }
    q.kept[set] = kept
  end
  local n = #kept.members
  kept.members[n + 1], kept.members[n + 2] = now_ms, job.id
end

local function release_waiting_for(q, job, now_ms)
  if job.dedup_id then
    release_dedup(q, job.id, job.dedup_id)
    q.has_requeued = requeue_next(q, job.dedup_id, now_ms) or q.has_requeued
  end
end

local function complete(q, job, outcome, now_ms)
  local result, count, age_ms = outcome[4], outcome[5], outcome[6]
  release_waiting_for(q, job, now_ms)
  if job.parent_key then
    complete_in_parent(job.key, job.parent_key, result, now_ms)
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
  if job.parent_key then
    flush_kept(q, now_ms)
    fail_parent(job.key, job.parent_key, job.parent, reason, now_ms)
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
  emit(q, 'failed', 'jobId', job.id, 'failedReason', reason, 'prev', 'active')
  if made >= attempts then
    emit(q, 'retries-exhausted', 'jobId', job.id, 'attemptsMade', made)
  end
end
