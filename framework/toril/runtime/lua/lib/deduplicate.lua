--- include lib/dedup_owner
--- include lib/is_job
--- include lib/delete_job
--- include lib/delay
--- include lib/emit
--- include lib/drop_from_parent

-- Stores a job for when the running owner finishes; a later one takes its place.
local function keep_for_later(rule, job)
  redis.call('DEL', rule.next_key)
  redis.call('HSET', rule.next_key, 'name', job.name, 'data', job.data, 'opts', job.opts, 'jid', job.id)
  redis.call('PERSIST', rule.key)
end

-- Removes a delayed owner, for the job that takes its place.
local function remove_replaced(q, owner)
  local job_key = q.base .. owner
  if is_job(job_key) then
    drop_from_parent(job_key)
  end
  delete_job(job_key)
  emit(q, 'removed', 'jobId', owner, 'prev', 'delayed')
end

-- Moves a delayed owner to when the job that is discarded would have been due.
local function reschedule(q, owner, job)
  if redis.call('ZREM', q.delayed, owner) == 0 or not is_job(q.base .. owner) then
    return
  end
  local due_ms = job.timestamp + job.delay
  redis.call('HSET', q.base .. owner, 'delay', job.delay)
  delay_until(q, owner, due_ms)
  emit(q, 'delayed', 'jobId', owner, 'delay', due_ms)
  q.has_delayed = true
end

-- Whether a job with a deduplication id may be stored: gives nil if so, else the id of the job that
-- stands for it. `job.dedup`: id, ttl, extend, replace, keep_last, reschedule; mark_delay follows.
local function deduplicate(q, job)
  local rule = job.dedup
  rule.key, rule.next_key = q.base .. 'de:' .. rule.id, q.base .. 'dn:' .. rule.id
  local owner = find_dedup_owner(q, rule)
  if not owner then
    take_dedup(rule, job.id)
    return nil
  end
  if rule.keep_last and redis.call('LPOS', q.active, owner) then
    keep_for_later(rule, job)
  elseif rule.replace then
    if redis.call('ZREM', q.delayed, owner) == 0 then
      return owner
    end
    remove_replaced(q, owner)
    emit(q, 'deduplicated', 'jobId', job.id, 'deduplicationId', rule.id, 'deduplicatedJobId', owner)
    if rule.ttl > 0 and not rule.extend and not rule.keep_last then
      redis.call('SET', rule.key, job.id, 'KEEPTTL')
    else
      take_dedup(rule, job.id)
    end
    redis.call('DEL', rule.next_key)
    return nil
  elseif rule.extend and rule.ttl > 0 then
    take_dedup(rule, owner)
  end
  emit(q, 'deduplicated', 'jobId', owner, 'deduplicationId', rule.id, 'deduplicatedJobId', job.id)
  if rule.reschedule then
    reschedule(q, owner, job)
  end
  return owner
end
