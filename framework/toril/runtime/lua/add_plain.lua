--[[
  Adds one job that is ready and belongs to no other: what `add` does, without what only lists need,
  and without shared functions, since to make them takes as long as all that is done here.
  BullMQ: addStandardJob

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] id
  ARGV[2] name
  ARGV[3] data
  ARGV[4] opts
  ARGV[5] timestamp
  Returns 1 if the job was created, 0 if it was there already, as text
  Events: added, waiting, duplicated
]]

local base, id, name, data, opts, timestamp = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local meta, events = base .. 'meta', base .. 'events'

redis.call('INCR', base .. 'id')
local set = redis.call('HMGET', meta, 'paused', 'concurrency', 'opts.maxLenEvents')
local is_paused, max_active, max_events = set[1], tonumber(set[2]), set[3]
if not tonumber(max_events) then
  max_events = '10000'
  redis.call('HSET', meta, 'opts.maxLenEvents', max_events)
end
redis.call('XTRIM', events, 'MAXLEN', '~', max_events)
if redis.call('EXISTS', base .. id) == 1 then
  redis.call('XADD', events, '*', 'event', 'duplicated', 'jobId', id)
  return '0'
end
redis.call('HSET', base .. id, 'data', data, 'name', name, 'opts', opts, 'timestamp', timestamp,
  'delay', '0', 'priority', '0')
redis.call('XADD', events, '*', 'event', 'added', 'jobId', id, 'name', name)
redis.call('LPUSH', base .. 'wait', id)
if not is_paused and (not max_active or redis.call('LLEN', base .. 'active') < max_active) then
  redis.call('ZADD', base .. 'marker', '0', '0')
end
redis.call('XADD', events, '*', 'event', 'waiting', 'jobId', id)
return '1'
