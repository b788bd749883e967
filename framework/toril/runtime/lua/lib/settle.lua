--- include lib/push
--- include lib/delay
--- include lib/emit
--- include lib/dedup
--- include lib/fail_parent
--- include lib/trim_kept
--- include lib/owner

local COMPLETED, FAILED, RETRIED, POSTPONED, GIVEN_BACK, MOVED = 1, 2, 3, 4, 5, 6
local FIELDS = { 'name', 'ats', 't:o', 'atm', 'parentKey', 'parent', 'deid', 'priority' }

-- Why a completed job may not finish, or 0: -4 children pending, -9 children failed.
local function refuse_for_children(job)
  if redis.call('EXISTS', job.key .. ':dependencies') == 1 then
    return -4
  end
  return redis.call('EXISTS', job.key .. ':unsuccessful') == 1 and -9 or 0
end

-- What keeps a job from waiting for children, or 0: -9 some failed, 1 none to wait for.
local function refuse_to_wait(job)
  if redis.call('EXISTS', job.key .. ':unsuccessful') == 1 then
    return -9
  end
  return redis.call('EXISTS', job.key .. ':dependencies') == 0 and 1 or 0
end

-- Whether the token may settle this start of the job, or 0.
local function refuse_for_owner(job, token, fence)
  if fence > 0 and fence ~= job.started then
    return -6
  end
  if is_owned_by(token, job.lock, job.owner, job.started) then
    return 0
  end
  return job.lock and -6 or -2
end

local function read_job(q, id, lock)
  local key = q.base .. id
  local fields = redis.call('HMGET', key, unpack(FIELDS))
  if not fields[1] and redis.call('EXISTS', key) == 0 then
    return nil
  end
  return {
    id = id,
    key = key,
    lock = lock,
    started = tonumber(fields[2]) or 0,
    owner = fields[3],
    made = tonumber(fields[4]) or 0,
    parent_key = fields[5] ~= '' and fields[5],
    parent = fields[6],
    dedup_id = fields[7] ~= '' and fields[7],
    priority = tonumber(fields[8]) or 0,
  }
end

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

local function retry(q, job, outcome, now_ms)
  local delay_ms = outcome[4]
  redis.call('HSET', job.key, 'failedReason', outcome[5], 'stacktrace', outcome[6],
    'atm', job.made + 1)
  if delay_ms > 0 then
    redis.call('HSET', job.key, 'delay', delay_ms)
    delay_until(q, job.id, now_ms + delay_ms)
    q.has_delayed = true
    emit(q, 'delayed', 'jobId', job.id, 'delay', now_ms + delay_ms)
  else
    local is_lifo = opts_of(redis.call('HGET', job.key, 'opts')).lifo == true
    push_ready(q, job.id, job.priority, is_lifo)
    emit(q, 'waiting', 'jobId', job.id, 'prev', 'active')
  end
end

local function postpone(q, job, outcome, now_ms)
  local due_ms = math.max(outcome[4], now_ms)
  redis.call('HSET', job.key, 'delay', due_ms - now_ms)
  delay_until(q, job.id, due_ms)
  q.has_delayed = true
  emit(q, 'delayed', 'jobId', job.id, 'delay', due_ms)
end

-- A limit set by hand is the counter's largest value; a longer one that is set already stays.
local function give_back(q, job, outcome)
  local limit_ms = outcome[4]
  push_back(q, job.id, job.priority)
  emit(q, 'waiting', 'jobId', job.id, 'prev', 'active')
  if limit_ms > 0 and limit_ms > redis.call('PTTL', q.limiter) then
    redis.call('SET', q.limiter, '9007199254740991', 'PX', limit_ms)
  end
end

local function wait_for_children(q, job, _, now_ms)
  redis.call('ZADD', q.waiting_children, now_ms, job.id)
  emit(q, 'waiting-children', 'jobId', job.id, 'prev', 'active')
end

local MOVES = {
  [COMPLETED] = complete,
  [FAILED] = fail,
  [RETRIED] = retry,
  [POSTPONED] = postpone,
  [GIVEN_BACK] = give_back,
  [MOVED] = wait_for_children,
}

local function settle_one(q, outcome, lock, token, may_have_children, now_ms)
  local kind, fence = outcome[1], outcome[3]
  local job = read_job(q, outcome[2], lock)
  if not job then
    return -1
  end
  local code = 0
  if kind == COMPLETED and (may_have_children or q.has_requeued) then
    code = refuse_for_children(job)
  elseif kind == MOVED then
    code = refuse_to_wait(job)
  end
  if code == 0 then
    code = refuse_for_owner(job, token, fence)
  end
  if code ~= 0 then
    return code
  end
  q.unlocked[#q.unlocked + 1] = job.key .. ':lock'
  if redis.call('LREM', q.active, -1, job.id) == 0 then
    return -3
  end
  MOVES[kind](q, job, outcome, now_ms)
  return 0
end

-- Reads all locks at once, and whether any of the jobs has children at all: few have.
local function look_ahead(q, outcomes)
  local locks, children = {}, {}
  for i, outcome in ipairs(outcomes) do
    local key = q.base .. outcome[2]
    locks[i] = key .. ':lock'
    children[2 * i - 1] = key .. ':dependencies'
    children[2 * i] = key .. ':unsuccessful'
  end
  return redis.call('MGET', unpack(locks)), redis.call('EXISTS', unpack(children)) > 0
end

-- Settles each outcome by itself: one that is refused does not hold up the others. Gives a code for
-- each, and whether any job finished.
local function settle(q, outcomes, token, now_ms)
  local codes, settled, has_finished = {}, {}, false
  if #outcomes == 0 then
    return codes, false
  end
  q.kept, q.unlocked = {}, {}
  local locks, may_have_children = look_ahead(q, outcomes)
  for i, outcome in ipairs(outcomes) do
    codes[i] = settle_one(q, outcome, locks[i], token, may_have_children, now_ms)
    if codes[i] == 0 then
      settled[#settled + 1] = outcome[2]
      has_finished = has_finished or outcome[1] <= FAILED
    end
  end
  if #settled > 0 then
    redis.call('SREM', q.stalled, unpack(settled))
  end
  if #q.unlocked > 0 then
    redis.call('DEL', unpack(q.unlocked))
  end
  flush_kept(q, now_ms)
  if q.has_delayed then
    mark_delay(q)
  end
  return codes, has_finished
end
