--[[
  Reads how many jobs of a queue finished, minute by minute.
  BullMQ: getMetrics

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] kind           completed or failed
  ARGV[2] first          number of the first minute, 0 for the newest
  ARGV[3] last           number of the last one; below 0 they count from the oldest
  Returns {count, when the newest minute ended or false, counts per minute newest first, how many
          minutes there are}
  Events: none
]]

--- include lib/queue

local q = queue_at(KEYS[1])
local kind, first, last = ARGV[1], ARGV[2], ARGV[3]
local key = q.base .. 'metrics:' .. kind

local totals = redis.call('HMGET', key, 'count', 'prevTS')
return {
  totals[1] or 0,
  totals[2],
  redis.call('LRANGE', key .. ':data', first, last),
  redis.call('LLEN', key .. ':data'),
}
