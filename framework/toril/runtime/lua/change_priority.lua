--[[
  Gives a job another priority; one that is ready to run changes its place, too.
  BullMQ: changePriority

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] id
  ARGV[2] priority       0 is none
  ARGV[3] lifo           1: ahead of the others of this priority; 0: behind them
  Returns 0, or -1 when there is no such job
  Events: none
]]

--- include lib/push

local q = queue_at(KEYS[1])
local id = ARGV[1]
local priority = tonumber(ARGV[2])
local lifo = ARGV[3] == '1'
local job_key = q.base .. id

local function take_out_ready()
  return redis.call('ZREM', q.prioritized, id) == 1
    or redis.call('LREM', q.wait, -1, id) > 0
    or redis.call('LREM', q.paused, -1, id) > 0
end

if redis.call('EXISTS', job_key) == 0 then
  return -1
end
if take_out_ready() then
  if lifo then
    push_back(q, id, priority)
  else
    push_ready(q, id, priority)
  end
end
redis.call('HSET', job_key, 'priority', priority)
return 0
