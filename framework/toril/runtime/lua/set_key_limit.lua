--[[
  Changes one of a queue's limits per key.
  BullMQ: none

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] number         of the limit, from 1
  ARGV[2] max_active     0: no bound; empty: as it was
  ARGV[3] starts         per time, 0: no bound; empty: as it was
  ARGV[4] duration       of the rate, in ms
  Returns 1, or 0 when the queue has no such limit
  Events: none
]]

--- include lib/key_limits

local q = queue_at(KEYS[1])
local number, max_active, starts, duration = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]

local limits = key_limits(q)
if not limits or not limits[number] then
  return 0
end
if max_active ~= '' then
  limits[number][1] = tonumber(max_active)
end
if starts ~= '' then
  limits[number][2] = tonumber(starts)
  limits[number][3] = tonumber(duration)
end
redis.call('HSET', q.meta, 't:k', cjson.encode(limits))
return 1
