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

--- include lib/push
--- include lib/emit
--- include lib/opts
--- include lib/state

local q = queue_at(KEYS[1])
local now_ms, id, fresh = tonumber(ARGV[1]), ARGV[2], ARGV[3] == '1'
local job_key = q.base .. id

-- The parent goes back to waiting for this child where the child's end is written down.
local function move_back_to_parent(state)
  local parent_key = redis.call('HGET', job_key, 'parentKey')
  if not parent_key or parent_key == '' or redis.call('EXISTS', parent_key) == 0 then
    return
  end
  local was_noted
  if state == 'failed' then
    was_noted = redis.call('ZREM', parent_key .. ':unsuccessful', job_key) == 1
      or redis.call('HDEL', parent_key .. ':failed', job_key) == 1
  else
    was_noted = redis.call('HDEL', parent_key .. ':processed', job_key) == 1
  end
  if was_noted then
    redis.call('SADD', parent_key .. ':dependencies', job_key)
  end
end

if redis.call('EXISTS', job_key) == 0 then
  return { -1 }
end
local state = state_of(q, id)
if state ~= 'failed' and state ~= 'completed' then
  return { -3, state }
end
local failed_child = redis.call('ZRANGE', job_key .. ':unsuccessful', 0, 0)[1]
if failed_child then
  return { -9, failed_child }
end

redis.call('ZREM', q[state], id)
redis.call('HDEL', job_key, 'finishedOn', 'processedOn', 'failedReason', 'returnvalue', 'defa', 'stc')
if fresh then
  redis.call('HDEL', job_key, 'atm')
end
move_back_to_parent(state)
if redis.call('EXISTS', job_key .. ':dependencies') == 1 then
  redis.call('ZADD', q.waiting_children, now_ms, id)
  emit(q, 'waiting-children', 'jobId', id, 'prev', state)
else
  local stored = redis.call('HMGET', job_key, 'priority', 'opts')
  push_ready(q, id, tonumber(stored[1]) or 0, opts_of(stored[2]).lifo == true)
  emit(q, 'waiting', 'jobId', id, 'prev', state)
end
return { 0 }
