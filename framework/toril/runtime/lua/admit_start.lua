--[[
  Counts a start of a job that is active already, as its new owner begins to run it; or tells how long
  the limits of its queue and of its keys have it wait.
  BullMQ: none

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] now_ms
  ARGV[2] id
  ARGV[3] token
  Returns 0 if it may start, how long to wait, in ms, or -1 if it is not the token's any more
  Events: none
]]

--- include lib/owner
--- include lib/rate
--- include lib/keyed
--- include lib/key_limits

local q = queue_at(KEYS[1])
local now_ms = tonumber(ARGV[1])
local id, token = ARGV[2], ARGV[3]
local job_key = q.base .. id

local fields = redis.call('HMGET', job_key, 't:o', 'ats', 't:k')
if not is_owned_by(token, redis.call('GET', job_key .. ':lock'), fields[1], fields[2]) then
  return -1
end
local limit_keys = key_limits(q) and fields[3]
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
  keyed().hold_slots(q, id, limit_keys, false, now_ms)
end
redis.call('HSET', job_key, 'processedOn', now_ms)
return 0
