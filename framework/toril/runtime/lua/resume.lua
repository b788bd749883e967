--[[
  Lets a queue's jobs be claimed again, those that BullMQ v5 put aside included: they run first.
  BullMQ: pause (its resuming half)

  KEYS[1] base           of the queue; every other key is built from it
  Returns 1, or 0 when it was not paused
  Events: resumed
]]

--- include lib/emit
--- include lib/mark
--- include lib/take_ids

local q = queue_at(KEYS[1])

local CHUNK = 1000

-- A list's right end runs first. BullMQ v5 itself would throw away what waits beside `paused`.
local function merge_paused()
  if redis.call('EXISTS', q.wait) == 0 then
    redis.call('RENAME', q.paused, q.wait)
    return
  end
  for _ = 1, redis.call('LLEN', q.paused), CHUNK do
    redis.call('RPUSH', q.wait, unpack(redis.call('LRANGE', q.paused, 0, CHUNK - 1)))
    redis.call('LTRIM', q.paused, CHUNK, -1)
  end
end

local was_paused = redis.call('HDEL', q.meta, 'paused') == 1
local has_put_aside = redis.call('EXISTS', q.paused) == 1
if has_put_aside then
  merge_paused()
end
if not was_paused and not has_put_aside then
  return 0
end
if has_work(q) then
  mark(q)
else
  mark_delay(q)
end
emit(q, 'resumed')
return was_paused and 1 or 0
