--[[
  Reads jobs whole, with the state each is in.
  BullMQ: getState

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[n] id             of each job
  Returns for each job {state, fields}, or false for one that does not exist
  Events: none
]]

--- include lib/state

local q = queue_at(KEYS[1])
local ids = ARGV

local reply = {}
for n, id in ipairs(ids) do
  local fields = redis.call('HGETALL', q.base .. id)
  reply[n] = #fields > 0 and { state_of(q, id), fields }
end
return reply
