--[[
  Creates or changes a job scheduler and adds its next tick; one that is as it should be stays.
  BullMQ: addJobScheduler

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] now_ms
  ARGV[2] scheduler      its id
  ARGV[3] next_ms        the next tick of a pattern, empty when none is left; empty for an interval,
                         which is computed here
  ARGV[4] record         msgpack, a flat list of the record's fields
  ARGV[5] tick           msgpack {opts, repeats, scheduler_json, priority, lifo, jitter in ms or false,
                         dedup_id or false},
                         see lib/add_tick
  Returns {0 unchanged | 1 created | 2 changed | 3 a lost tick was added again, its next tick in ms};
          {4} no tick is left before its end, it is gone now; {-6, owner} it is that project's,
          empty for one that no project declares; {-10} or {-11} its slots are taken by other jobs,
          nothing is changed
  Events: added, and waiting or delayed
]]

--- include lib/add_tick
--- include lib/next_slot
--- include lib/take_out
--- include lib/dedup
--- include lib/drop_from_parent
--- include lib/pending_tick
--- include lib/state

local q = queue_at(KEYS[1])
local now_ms, scheduler, next_ms = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local record, tick = cmsgpack.unpack(ARGV[4]), cmsgpack.unpack(ARGV[5])
local key = q.base .. 'repeat:' .. scheduler

-- Fields that belong to the declaration; others are BullMQ's bookkeeping.
local DECLARED = {
  'name', 'tz', 'pattern', 'startDate', 'endDate', 'every', 'limit', 'data', 'opts', 't:p',
  't:e',
}
local wanted, stored = {}, {}
for i = 1, #record, 2 do
  wanted[record[i]] = record[i + 1]
end
local flat = redis.call('HGETALL', key)
for i = 1, #flat, 2 do
  stored[flat[i]] = flat[i + 1]
end

local function is_unchanged()
  for _, field in ipairs(DECLARED) do
    if wanted[field] ~= stored[field] then
      return false
    end
  end
  -- Without one of its own it has that of its first tick.
  return wanted.offset == nil or wanted.offset == stored.offset
end

-- A tick is alive until it ends; the worker that starts it adds the next one. Nothing follows the
-- last one that the limit allows.
local function has_its_tick(id, tick_ms)
  local state = state_of(q, id)
  if state ~= 'unknown' and state ~= 'completed' and state ~= 'failed' then
    return redis.call('EXISTS', q.base .. id) == 1
  end
  local limit = tonumber(stored.limit)
  return limit ~= nil and (tonumber(stored.ic) or 1) >= limit and tick_ms <= now_ms
end

local function is_removable(id)
  local state = state_of(q, id)
  return state == 'delayed' or state == 'prioritized' or state == 'waiting'
end

-- Takes the tick away that the old declaration added; one that runs or has ended stays.
local function remove_pending(id)
  take_out(q, id)
  drop_from_parent(q.base .. id, true)
  delete_dedup(q, id)
  delete_job(q.base .. id)
end

local owner = stored['t:p']
if owner and owner ~= wanted['t:p'] then
  return { -6, owner }
end
local pending, prev_ms = pending_tick(q, scheduler)
local is_new = #flat == 0 or not pending
local unchanged = not is_new and is_unchanged()
if unchanged and has_its_tick(pending, prev_ms) then
  return { 0, prev_ms }
end

local is_replaced = pending ~= nil and is_removable(pending)
local every = tonumber(wanted.every)
local offset
if every then
  local is_same = stored.every == wanted.every and stored.startDate == wanted.startDate
    and (wanted.offset == nil or stored.offset == wanted.offset)
  local slot = {
    every = every,
    offset = tonumber(wanted.offset) or is_same and tonumber(stored.offset) or 0,
    start = tonumber(wanted.startDate),
  }
  local prev = is_same and prev_ms or nil
  next_ms, offset = next_slot(slot, prev, now_ms)
  if prev and (is_replaced or prev > now_ms) then
    next_ms = prev
  end
end
local end_ms = tonumber(wanted.endDate)
local is_over = not next_ms or (end_ms ~= nil and next_ms > end_ms)
if is_over then
  if is_replaced then
    remove_pending(pending)
  end
  redis.call('ZREM', q.schedulers, scheduler)
  redis.call('DEL', key)
  return { 4 }
end

-- The id of the tick that is replaced is free.
local function is_taken(at_ms)
  local id = string.format('repeat:%s:%.0f', scheduler, at_ms)
  return not (is_replaced and id == pending) and redis.call('EXISTS', q.base .. id) == 1
end

if is_taken(next_ms) then
  if not every then
    return { -10 }
  end
  local scanned = 0
  while is_taken(next_ms) and scanned < 32 do
    next_ms = next_ms + every
    scanned = scanned + 1
  end
  if is_taken(next_ms) then
    return { -11 }
  end
end

if is_replaced then
  remove_pending(pending)
end
redis.call('ZADD', q.schedulers, next_ms, scheduler)
redis.call('DEL', key)
redis.call('HSET', key, 'ic', stored.ic or 1, unpack(record))
if offset then
  redis.call('HSET', key, 'offset', offset)
end
add_tick(q, {
  scheduler = scheduler,
  name = wanted.name,
  data = wanted.data or '{}',
  next_ms = next_ms,
  count = 1,
  opts = tick[1],
  repeats = tick[2],
  scheduler_json = tick[3],
  is_pattern = not every,
  priority = tick[4],
  lifo = tick[5],
  jitter = tick[6],
  dedup_id = tick[7],
}, now_ms)
return { is_new and 1 or unchanged and 3 or 2, next_ms }
