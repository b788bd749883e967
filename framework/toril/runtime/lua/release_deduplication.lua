--[[
  Frees the deduplication id of a job, if the job still holds it.
  BullMQ: removeDeduplicationKey

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] id
  Returns 1 freed; 0 it holds none; -1 no such job
  Events: none
]]

local base = KEYS[1]
local id = ARGV[1]

if redis.call('EXISTS', base .. id) == 0 then
  return -1
end
local dedup_id = redis.call('HGET', base .. id, 'deid')
if not dedup_id or redis.call('GET', base .. 'de:' .. dedup_id) ~= id then
  return 0
end
return redis.call('DEL', base .. 'de:' .. dedup_id)
