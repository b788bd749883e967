--[[
  Tells where a job is, and how it ended if it has.
  BullMQ: getState, isFinished

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] id
  Returns {state, result as JSON or false, reason of its failure or false}; the state is 'unknown'
          for a job that is in no list, and '' for one that does not exist at all
  Events: none
]]

--- include lib/state

local q = queue_at(KEYS[1])
local id = ARGV[1]

local state = state_of(q, id)
if state == 'unknown' and redis.call('EXISTS', q.base .. id) == 0 then
  return { '', false, false }
end
local ending = redis.call('HMGET', q.base .. id, 'returnvalue', 'failedReason')
return {
  state,
  state == 'completed' and ending[1],
  state == 'failed' and ending[2],
}
