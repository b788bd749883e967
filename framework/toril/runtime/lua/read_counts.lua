--[[
  Counts the jobs of queues by state, and tells whether each is paused.
  BullMQ: getCounts

  KEYS[n] base           of each queue; every other key is built from it
  Returns for each queue {waiting, prioritized, delayed, active, waiting-children, completed, failed,
          1 if paused}
  Events: none
]]

--- include lib/queue

local reply = {}
for n, base in ipairs(KEYS) do
  local q = queue_at(base)
  reply[n] = {
    redis.call('LLEN', q.wait) + redis.call('LLEN', q.paused),
    redis.call('ZCARD', q.prioritized),
    redis.call('ZCARD', q.delayed),
    redis.call('LLEN', q.active),
    redis.call('ZCARD', q.waiting_children),
    redis.call('ZCARD', q.completed),
    redis.call('ZCARD', q.failed),
    redis.call('HEXISTS', q.meta, 'paused'),
  }
end
return reply
