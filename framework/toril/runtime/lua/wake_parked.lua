--[[
  Sees to it that whoever waits for a key goes on when it may, even where what should have told
  was lost: the one that was to go on was removed, or a worker died.
  BullMQ: none

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] now_ms
  ARGV[2] cursor         of the keys that are waited for, 0 to begin
  Returns the cursor to go on from; 0 at the end
  Events: waiting
]]

--- include lib/parked

local q = queue_at(KEYS[1])
local now_ms = tonumber(ARGV[1])
local cursor = ARGV[2]

local found = redis.call('SSCAN', q.base .. 'meta:t:parked', cursor, 'COUNT', 100)
for _, name in ipairs(found[2]) do
  local place, limit = find_place(q, name)
  if place then
    wake_first(q, place, limit, now_ms)
  end
end
mark_delay(q)
return found[1]
