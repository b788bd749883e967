--[[
  Reads what a queue allows over all its workers, and how far its rate limit is used.
  BullMQ: getRateLimitTtl

  KEYS[1] base           of the queue; every other key is built from it
  Returns {concurrency, max, duration, starts counted} as texts or false, the window's time left
          in ms (-1 endless, -2 no window), and the limits per key, JSON or false
  Events: none
]]

--- include lib/queue

local q = queue_at(KEYS[1])

local limits = redis.call('HMGET', q.meta, 'concurrency', 'max', 'duration', 't:k')
return {
  limits[1],
  limits[2],
  limits[3],
  redis.call('GET', q.limiter),
  redis.call('PTTL', q.limiter),
  limits[4],
}
