--[[
  Brings a queue's limits to what is declared, if the declaration is new; what was changed by hand
  since an old one was applied stays as it is.
  BullMQ: none (its client writes these fields of meta)

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] concurrency    declared, or empty
  ARGV[2] max            declared, or empty
  ARGV[3] duration       in ms, declared, or empty
  Returns 1 if anything was changed, else 0
  Events: none
]]

--- include lib/mark

local q = queue_at(KEYS[1])
local concurrency, max, duration = ARGV[1], ARGV[2], ARGV[3]

local applied = redis.call('HGET', q.meta, 't:l') or '||'
local declared = concurrency .. '|' .. max .. '|' .. duration
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

if declared == '||' then
  redis.call('HDEL', q.meta, 't:l')
else
  redis.call('HSET', q.meta, 't:l', declared)
end
if redis.call('LLEN', q.wait) > 0 or redis.call('ZCARD', q.prioritized) > 0 then
  mark(q)
end
return 1
