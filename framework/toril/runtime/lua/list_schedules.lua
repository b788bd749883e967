--[[
  Reads the job schedulers of a queue, each with its next tick.
  BullMQ: getJobSchedulers

  KEYS[1] base           of the queue; every other key is built from it
  Returns {id, next tick in ms, the record's fields, state of the tick's job or 'unknown', when that
          job was added or false} for each, the earliest tick first
  Events: none
]]

--- include lib/state
--- include lib/pending_tick

local q = queue_at(KEYS[1])

local reply = {}
for _, scheduler in ipairs(redis.call('ZRANGE', q.schedulers, 0, -1)) do
  local id, next_ms = pending_tick(q, scheduler)
  local added_ms = redis.call('HGET', q.base .. id, 'timestamp')
  reply[#reply + 1] = {
    scheduler,
    string.format('%.0f', next_ms),
    redis.call('HGETALL', q.base .. 'repeat:' .. scheduler),
    added_ms and state_of(q, id) or 'unknown',
    added_ms,
  }
end
return reply
