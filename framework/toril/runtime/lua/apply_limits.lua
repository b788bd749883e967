--[[
  Brings a queue's limits to what is declared, if the declaration is new; what was changed by hand
  since an old one was applied stays as it is.
  BullMQ: none (its client writes these fields of meta)

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] concurrency    declared, or empty
  ARGV[2] max            declared, or empty
  ARGV[3] duration       in ms, declared, or empty
  ARGV[4] per_key        the declared limits per key, JSON, or empty
  Returns 1 if anything was changed, else 0; 2 when it has to be called again to go on
  Events: none
]]

--- include lib/mark
--- include lib/take_ids

-- Jobs that one call makes due.
local MOST = 2000

local q = queue_at(KEYS[1])
local concurrency, max, duration, per_key = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local applied = redis.call('HGET', q.meta, 't:l') or '|||'
local declared = concurrency .. '|' .. max .. '|' .. duration .. '|' .. per_key
if declared == applied then
  return 0
end

local old = {}
for value in string.gmatch(applied .. '|', '([^|]*)|') do
  old[#old + 1] = value
end
if concurrency ~= old[1] then
  if concurrency ~= '' then
    redis.call('HSET', q.meta, 'concurrency', concurrency)
  elseif redis.call('HGET', q.meta, 'concurrency') == old[1] then
    redis.call('HDEL', q.meta, 'concurrency')
  end
end
if max ~= old[2] or duration ~= old[3] then
  local stored = redis.call('HMGET', q.meta, 'max', 'duration')
  if max ~= '' then
    redis.call('HSET', q.meta, 'max', max, 'duration', duration)
  elseif stored[1] == old[2] and stored[2] == old[3] then
    redis.call('HDEL', q.meta, 'max', 'duration')
  end
end
if per_key ~= old[4] then
  if per_key ~= '' then
    redis.call('HSET', q.meta, 't:k', per_key)
  else
    redis.call('HDEL', q.meta, 't:k')
  end
  -- What waits for a key of an old limit is made due; the new limits say what becomes of it.
  redis.call('DEL', ring_of(q))
  local freed = 0
  for _, place in ipairs(redis.call('SMEMBERS', q.base .. 'meta:t:parked')) do
    local ids = redis.call('LPOP', place .. ':parked', MOST - freed) or {}
    for _, id in ipairs(ids) do
      redis.call('HDEL', q.base .. id, 't:kp')
      redis.call('ZADD', q.delayed, 'XX', 0, id)
    end
    freed = freed + #ids
    if freed >= MOST then
      mark_delay(q)
      return 2
    end
    redis.call('SREM', q.base .. 'meta:t:parked', place)
  end
  mark_delay(q)
end

if declared == '|||' then
  redis.call('HDEL', q.meta, 't:l')
else
  redis.call('HSET', q.meta, 't:l', declared)
end
if has_work(q) then
  mark(q)
end
return 1
