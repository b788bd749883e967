--[[
  Runs a finished job again, with a fresh budget of attempts and stalls.
  BullMQ: reprocessJob

  KEYS[1] base           of the queue; every other key is built from it, or from a parent's key
  ARGV[1] now_ms
  ARGV[2] id
  ARGV[3] fresh          1: attempts count from the beginning; 0: as many as are left
  Returns {0}; {-1} no such job; {-3, its state} it has not finished;
          {-9, a child's key} that child failed and has to be retried first
  Events: waiting, or waiting-children when it has children to wait for
]]

--- include lib/state
--- include lib/retry_finished

local q = queue_at(KEYS[1])
local now_ms, id, fresh = tonumber(ARGV[1]), ARGV[2], ARGV[3] == '1'

if redis.call('EXISTS', q.base .. id) == 0 then
  return { -1 }
end
local state = state_of(q, id)
if state ~= 'failed' and state ~= 'completed' then
  return { -3, state }
end
local failed_child = find_failed_child(q, id)
if failed_child then
  return { -9, failed_child }
end
retry_finished(q, id, state, fresh, now_ms)
return { 0 }
