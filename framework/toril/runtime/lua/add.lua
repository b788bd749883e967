--[[
  Adds jobs of any queues, all or none; parents stand before their children.
  BullMQ: addStandardJob, addDelayedJob, addPrioritizedJob, addParentJob

  KEYS[n] base           of each queue that jobs go to; every other key is built from a base
  ARGV[1] now_ms
  ARGV[2] jobs           msgpack, a list of {queue's number in KEYS, id, name, data, opts, timestamp,
                         delay, priority, lifo, waits_for_children, parent_key, parent, more,
                         is_id_new, dedup, further, is_held}; dedup: false or {id, ttl or 0, extend, replace,
                         keep_last, reschedule}; further: keys of further parents; is_held: it
                         waits for children that follow in another call
  ARGV[3] since_ms       of a call made again because its reply was lost: when it was made first;
                         else 0
  Returns a text with 1 for each job that was created, 0 for one that was there already, 2 for one
          that another job stands for; with any of these {the text, such another's id for each 2};
          or {-5 parent missing | -7 child of another parent, number of the job}, nothing written
  Events: added, waiting, delayed, waiting-children, duplicated, deduplicated, removed
]]

--- include lib/store_job
--- include lib/push
--- include lib/push_pending
--- include lib/delay
--- include lib/release_parent
--- include lib/added_before
--- include lib/deduplicate

local now_ms = tonumber(ARGV[1])
local jobs = cmsgpack.unpack(ARGV[2])
local since_ms = tonumber(ARGV[3])

local FIELDS = {
  'queue', 'id', 'name', 'data', 'opts', 'timestamp', 'delay', 'priority', 'lifo',
  'waits_for_children', 'parent_key', 'parent', 'more', 'is_id_new', 'dedup', 'further', 'is_held',
}
local RULE = { 'id', 'ttl', 'extend', 'replace', 'keep_last', 'reschedule' }

local function name_fields(names, packed)
  local named = {}
  for i, name in ipairs(names) do
    named[name] = packed[i]
  end
  return named
end

-- Names the fields of each job and finds out which exist already.
local function prepare()
  local seen = {}
  for n, packed in ipairs(jobs) do
    local job = name_fields(FIELDS, packed)
    job.parent_key = job.parent_key or nil
    job.parents = { job.parent_key }
    for _, parent_key in ipairs(job.further) do
      job.parents[#job.parents + 1] = parent_key
    end
    job.dedup = job.dedup and name_fields(RULE, job.dedup)
    job.key = KEYS[job.queue] .. job.id
    job.exists = seen[job.key] or redis.call('EXISTS', job.key) == 1
    seen[job.key] = true
    job.is_added = since_ms > 0 and was_added_before(queue_at(KEYS[job.queue]), job, since_ms)
    jobs[n] = job
  end
end

-- The code of the first job that cannot be added, and its number.
local function find_refusal()
  local seen = {}
  for n, job in ipairs(jobs) do
    if job.parent_key and not job.is_added then
      for _, parent_key in ipairs(job.parents) do
        if not seen[parent_key] and redis.call('EXISTS', parent_key) == 0 then
          return -5, n
        end
      end
      local linked = job.exists and redis.call('HGET', job.key, 'parentKey')
      if linked and linked ~= job.parent_key and redis.call('EXISTS', linked) == 1 then
        return -7, n
      end
    end
    seen[job.key] = true
  end
end

local created = {}

-- Has a parent wait for a job that was there already, or gives it the job's result.
local function link(q, job, parent_key)
  if redis.call('ZSCORE', q.completed, job.id) then
    local result = redis.call('HGET', job.key, 'returnvalue') or 'null'
    redis.call('HSET', parent_key .. ':processed', job.key, result)
  else
    redis.call('SADD', parent_key .. ':dependencies', job.key)
  end
end

-- Links a job that was there already to the parents it is now added under.
local function adopt(q, job)
  for _, parent_key in ipairs(job.further) do
    if created[parent_key] then
      link(q, job, parent_key)
    end
  end
  local linked = redis.call('HGET', job.key, 'parentKey')
  if linked == job.parent_key and not created[job.parent_key] then
    return
  end
  link(q, job, job.parent_key)
  redis.call('HSET', job.key, 'parentKey', job.parent_key, 'parent', job.parent)
end

local function place(q, job)
  if job.waits_for_children or job.is_held then
    redis.call('ZADD', q.waiting_children, job.timestamp, job.id)
    emit(q, 'waiting-children', 'jobId', job.id)
  elseif job.delay > 0 then
    local due_ms = job.timestamp + job.delay
    delay_until(q, job.id, due_ms)
    q.has_delayed = true
    emit(q, 'delayed', 'jobId', job.id, 'delay', due_ms)
  else
    if job.priority > 0 or job.lifo then
      push_ready(q, job.id, job.priority, job.lifo)
    else
      append_pending(q, job.id)
    end
    emit(q, 'waiting', 'jobId', job.id)
  end
  if job.parent_key then
    for _, parent_key in ipairs(job.parents) do
      redis.call('SADD', parent_key .. ':dependencies', job.key)
    end
  end
end

prepare()
local code, refused = find_refusal()
if code then
  return { code, refused }
end

-- First of all a command that a full server refuses, so that nothing is written half.
local counts = {}
for _, job in ipairs(jobs) do
  counts[job.queue] = (counts[job.queue] or 0) + 1
end
for number, count in pairs(counts) do
  redis.call('INCRBY', queue_at(KEYS[number]).id, count)
end

-- The job that stands for this one, or nil. What the list itself stored or replaced counts by now.
local function find_stand_in(q, job)
  if not job.dedup then
    return nil
  end
  job.exists = redis.call('EXISTS', job.key) == 1
  return not job.exists and deduplicate(q, job) or nil
end

local answer, stand_ins = {}, {}
for n, job in ipairs(jobs) do
  local q = queue_at(KEYS[job.queue])
  local stand_in = not job.is_added and find_stand_in(q, job)
  if job.is_added then
    answer[n] = '1'
  elseif stand_in then
    answer[n] = '2'
    stand_ins[#stand_ins + 1] = stand_in
  elseif job.exists then
    if job.parent_key then
      adopt(q, job)
    end
    emit(q, 'duplicated', 'jobId', job.id)
    answer[n] = '0'
  else
    created[job.key] = true
    store_job(q, job)
    place(q, job)
    answer[n] = '1'
  end
end

for number in pairs(counts) do
  local q = queue_at(KEYS[number])
  push_pending(q)
  if q.has_delayed then
    mark_delay(q)
  end
end
-- Only now: the first child that had completed long ago must not release its parent before its
-- siblings are in.
for _, job in ipairs(jobs) do
  if not job.is_added then
    if job.parent_key then
      for _, parent_key in ipairs(job.parents) do
        release_if_done(parent_key, now_ms)
      end
    elseif job.waits_for_children and not job.is_held then
      release_if_done(job.key, now_ms)
    end
  end
end
if #stand_ins > 0 then
  table.insert(stand_ins, 1, table.concat(answer))
  return stand_ins
end
return table.concat(answer)
