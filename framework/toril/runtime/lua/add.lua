--[[
  Adds jobs of any queues, all or none; parents stand before their children.
  BullMQ: addStandardJob, addDelayedJob, addPrioritizedJob, addParentJob

  KEYS[n] base           of each queue that jobs go to; every other key is built from a base
  ARGV[1] now_ms
  ARGV[2] shapes         msgpack, what jobs have in common: a list of maps with queue (its number in
                         KEYS), name, opts, timestamp, delay, priority, and where they apply lifo,
                         waits_for_children, is_held (it waits for children that follow in another
                         call), parent_key, parent, further (keys of further parents), more (a flat
                         list of other fields), is_id_new, dedup (a map of id, ttl or 0, extend,
                         replace, keep_last, reschedule)
  ARGV[3] jobs           msgpack, a flat list: a shape's number, id, data; and so on
  ARGV[4] since_ms       of a call made again because its reply was lost: when it was made first;
                         else 0
  Returns a text with 1 for each job that was created, 0 for one that was there already, 2 for one
          that another job stands for; with any of these {the text, such another's id for each 2};
          or {-5 parent missing | -7 child of another parent, number of the job}, nothing written
  Events: added, waiting, delayed, waiting-children, duplicated, deduplicated, removed
]]

--- include lib/store_job
--- include lib/push_pending

local now_ms = tonumber(ARGV[1])
local shapes = cmsgpack.unpack(ARGV[2])
local jobs = cmsgpack.unpack(ARGV[3])
local since_ms = tonumber(ARGV[4])

local keys, counts = {}, {}
local existing, created, is_added = {}, {}, {}

-- A shape becomes each of its jobs in turn.
local function take(n)
  local job = shapes[jobs[3 * n - 2]]
  job.id, job.data, job.key = jobs[3 * n - 1], jobs[3 * n], keys[n]
  return job
end

for n = 1, #jobs / 3 do
  local number = shapes[jobs[3 * n - 2]].queue
  keys[n] = KEYS[number] .. jobs[3 * n - 1]
  counts[number] = (counts[number] or 0) + 1
end

-- Most often none is there, as one command tells.
for first = 1, #keys, 1000 do
  local last = math.min(first + 999, #keys)
  if redis.call('EXISTS', unpack(keys, first, last)) > 0 then
    for n = first, last do
      existing[keys[n]] = redis.call('EXISTS', keys[n]) == 1
    end
  end
end

local has_families, has_rules = false, false
for _, shape in ipairs(shapes) do
  shape.q = queue_at(KEYS[shape.queue])
  if shape.parent_key then
    shape.parents = { shape.parent_key }
    for i, parent_key in ipairs(shape.further or {}) do
      shape.parents[i + 1] = parent_key
    end
  end
  has_families = has_families or shape.parents or shape.waits_for_children
  has_rules = has_rules or shape.dedup
end

-- What follows in functions is what only some lists need: it is made for those alone, since each
-- function that a script makes as it begins costs it half a microsecond.

local function note_added_before()
  --- include lib/added_before
  local seen = {}
  for n = 1, #keys do
    local job = take(n)
    job.exists = existing[job.key] or seen[job.key]
    seen[job.key] = true
    is_added[n] = was_added_before(job.q, job, since_ms)
  end
end

local function meet_families()
  --- include lib/release_parent
  -- The code of the first job that cannot be added, and its number.
  local function find_refusal()
    local seen = {}
    for n = 1, #keys do
      local job = take(n)
      if job.parents and not is_added[n] then
        for _, parent_key in ipairs(job.parents) do
          if not seen[parent_key] and redis.call('EXISTS', parent_key) == 0 then
            return -5, n
          end
        end
        local exists = existing[job.key] or seen[job.key]
        local linked = exists and redis.call('HGET', job.key, 'parentKey')
        if linked and linked ~= job.parent_key and redis.call('EXISTS', linked) == 1 then
          return -7, n
        end
      end
      seen[job.key] = true
    end
  end

  -- Links a job that was there already to the parents it is now added under.
  local function adopt(job)
    -- Has a parent wait for it, or gives it the job's result.
    local function link(parent_key)
      if redis.call('ZSCORE', job.q.completed, job.id) then
        local result = redis.call('HGET', job.key, 'returnvalue') or 'null'
        redis.call('HSET', parent_key .. ':processed', job.key, result)
      else
        redis.call('SADD', parent_key .. ':dependencies', job.key)
      end
    end
    for i = 2, #job.parents do
      if created[job.parents[i]] then
        link(job.parents[i])
      end
    end
    local linked = redis.call('HGET', job.key, 'parentKey')
    if linked == job.parent_key and not created[job.parent_key] then
      return
    end
    link(job.parent_key)
    redis.call('HSET', job.key, 'parentKey', job.parent_key, 'parent', job.parent)
  end

  -- Releases the parents whose children had all ended before they were added under them. At the
  -- end: the first of them must not release its parent before its siblings are in.
  local function release_parents()
    local seen = {}
    for n = 1, #keys do
      local job = take(n)
      local own = job.waits_for_children and not job.is_held and { job.key } or {}
      for _, parent_key in ipairs(is_added[n] and {} or job.parents or own) do
        if not seen[parent_key] then
          seen[parent_key] = true
          release_if_done(parent_key, now_ms)
        end
      end
    end
  end

  return { find_refusal = find_refusal, adopt = adopt, release_parents = release_parents }
end

local function make_deduplicate()
  --- include lib/deduplicate
  return deduplicate
end

-- Gives what puts a job where its delay, its priority or lifo say.
local function make_place()
  --- include lib/push
  --- include lib/delay
  return function(q, job)
    if job.delay > 0 then
      local due_ms = job.timestamp + job.delay
      delay_until(q, job.id, due_ms)
      q.has_delayed = true
      emit(q, 'delayed', 'jobId', job.id, 'delay', due_ms)
    else
      push_ready(q, job.id, job.priority, job.lifo)
      emit(q, 'waiting', 'jobId', job.id)
    end
  end
end

if since_ms > 0 then
  note_added_before()
end
local families = has_families and meet_families()
if families then
  local code, refused = families.find_refusal()
  if code then
    return { code, refused }
  end
end

-- First of all a command that a full server refuses, so that nothing is written half.
for number, count in pairs(counts) do
  redis.call('INCRBY', queue_at(KEYS[number]).id, count)
end

local deduplicate = has_rules and make_deduplicate()
local place

local answer, stand_ins = {}, {}
for n = 1, #keys do
  local job = take(n)
  local q, exists = job.q, existing[job.key] or created[job.key]
  local stand_in
  if job.dedup and not is_added[n] then
    -- What the list itself stored or replaced counts by now.
    exists = redis.call('EXISTS', job.key) == 1
    stand_in = not exists and deduplicate(q, job) or nil
  end
  if is_added[n] then
    answer[n] = '1'
  elseif stand_in then
    answer[n] = '2'
    stand_ins[#stand_ins + 1] = stand_in
  elseif exists then
    if job.parents then
      families.adopt(job)
    end
    emit(q, 'duplicated', 'jobId', job.id)
    answer[n] = '0'
  else
    created[job.key] = true
    store_job(q, job)
    if job.waits_for_children or job.is_held then
      redis.call('ZADD', q.waiting_children, job.timestamp, job.id)
      emit(q, 'waiting-children', 'jobId', job.id)
    elseif job.delay > 0 or job.priority > 0 or job.lifo then
      place = place or make_place()
      place(q, job)
    else
      append_pending(q, job.id)
      emit(q, 'waiting', 'jobId', job.id)
    end
    if job.parents then
      for _, parent_key in ipairs(job.parents) do
        redis.call('SADD', parent_key .. ':dependencies', job.key)
      end
    end
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
if families then
  families.release_parents()
end
if #stand_ins > 0 then
  table.insert(stand_ins, 1, table.concat(answer))
  return stand_ins
end
return table.concat(answer)
