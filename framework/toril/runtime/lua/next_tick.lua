--[[
  Adds the tick that follows the one a worker has just started.
  BullMQ: updateJobScheduler

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] now_ms
  ARGV[2] scheduler      its id
  ARGV[3] producer       id of the job that was started; only the pending tick has a successor, so
                         a second start of it adds nothing
  ARGV[4] next_ms        the next tick of a pattern; empty for an interval
  ARGV[5] tick           msgpack {opts, repeats, scheduler_json, priority, lifo, jitter in ms or false,
                         dedup_id or false, count, every or false, offset or false, 1 if the id may
                         be of an old kind, end in ms or false}
  ARGV[6] since_ms       ticks of an interval that were missed before it are left out
  Returns the next tick in ms, or false when nothing was added
  Events: added, and waiting or delayed; duplicated
]]

--- include lib/add_tick
--- include lib/next_slot
--- include lib/pending_tick

local q = queue_at(KEYS[1])
local now_ms, scheduler, producer = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local next_ms = tonumber(ARGV[4])
local tick = cmsgpack.unpack(ARGV[5])
local since_ms = tonumber(ARGV[6])
local key = q.base .. 'repeat:' .. scheduler

local pending, prev_ms = pending_tick(q, scheduler)
if pending ~= producer then
  return false
end
local stored = redis.call('HMGET', key, 'name', 'data', 'every', 'offset', 'ic')
local is_old_kind = tick[11] == 1
if is_old_kind and not stored[5] then
  return false
end

local every = tonumber(stored[3]) or tick[9]
if every then
  local slot = { every = every, offset = tonumber(stored[4]) or tick[10] or 0 }
  next_ms = next_slot(slot, prev_ms, since_ms)
end
local end_ms = tick[12]
if not next_ms or (end_ms and next_ms > end_ms) then
  return false
end
-- BullMQ v5's repeatable jobs had their data in each job alone, and no count of ticks.
local data = stored[2]
if not data and not stored[5] then
  data = redis.call('HGET', q.base .. producer, 'data')
end
local id = string.format('repeat:%s:%.0f', scheduler, next_ms)
if redis.call('EXISTS', q.base .. id) == 1 then
  emit(q, 'duplicated', 'jobId', id)
  return false
end
redis.call('ZADD', q.schedulers, next_ms, scheduler)
redis.call('HINCRBY', key, 'ic', 1)
if data and not stored[2] then
  redis.call('HSET', key, 'data', data)
end
add_tick(q, {
  scheduler = scheduler,
  name = stored[1] or '',
  data = data or '{}',
  next_ms = next_ms,
  count = tick[8],
  opts = tick[1],
  repeats = tick[2],
  scheduler_json = tick[3],
  is_pattern = not every,
  priority = tick[4],
  lifo = tick[5],
  jitter = tick[6],
  dedup_id = tick[7],
}, now_ms)
return string.format('%.0f', next_ms)
