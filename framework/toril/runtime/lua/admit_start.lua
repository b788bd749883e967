--[[
  Counts a start of a job that is active already, as its new owner begins to run it; or tells how long
  the limits of its queue and of its keys have it wait.
  BullMQ: none

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] now_ms
  ARGV[2] id
  Returns 0 if it may start, else how long to wait, in ms
  Events: none
]]

--- include lib/rate
--- include lib/keyed
--- include lib/key_limits

local q = queue_at(KEYS[1])
local now_ms = tonumber(ARGV[1])
local job_key = q.base .. ARGV[2]

local fields = redis.call('HMGET', job_key, 'name', 't:k')
if not fields[1] then
  return 0
end
local limit_keys = key_limits(q) and fields[2]
local rate, wait_ms = find_rate(q, {}), 0
if rate then
  local _, limit_ms = rate.allowed_starts(1, now_ms)
  wait_ms = limit_ms
end
if limit_keys then
  wait_ms = math.max(wait_ms, keyed().find_turn_ms(q, limit_keys, now_ms) - now_ms)
end
if wait_ms > 0 then
  return wait_ms
end
if rate then
  rate.count_starts(1, now_ms)
end
if limit_keys then
  keyed().hold_slots(q, ARGV[2], limit_keys, false, now_ms)
end
redis.call('HSET', job_key, 'processedOn', now_ms)
return 0
