--[[
  Cancels a job: one that does not run fails at once, the worker of one that runs is told.
  BullMQ: none

  KEYS[1] base           of the queue; every other key is built from it, from a parent's key
                         or from the base of a dead-letter queue
  ARGV[1] now_ms
  ARGV[2] id
  ARGV[3] outcome        msgpack, the failure as settle_and_claim takes it
  ARGV[4] channel        on which workers listen
  Returns {0} it has failed; {1} its worker is told; {2} it runs in another runtime, which nobody
          can tell; {-1} no such job; {-3, its state} it has finished; {-8} it is a schedule's next
          tick
  Events: failed, retries-exhausted; those of parents and of dead letters
]]

--- include lib/state
--- include lib/take_out
--- include lib/pending_tick
--- include lib/running_job
--- include lib/fail

local q = queue_at(KEYS[1])
local now_ms, id = tonumber(ARGV[1]), ARGV[2]
local outcome, channel = cmsgpack.unpack(ARGV[3]), ARGV[4]
local key = q.base .. id

local fields = redis.call('HMGET', key, 'name', 'rjk', 't:o')
if not fields[1] then
  return { -1 }
end
local state = state_of(q, id)
if state == 'completed' or state == 'failed' then
  return { -3, state }
end
if fields[2] and state ~= 'active' and pending_tick(q, fields[2]) == id then
  return { -8 }
end
redis.call('HSET', key, 't:c', outcome[4])
if state == 'active' then
  redis.call('PUBLISH', channel, id)
  return { fields[3] and 1 or 2 }
end

take_out(q, id)
local job = read_running(q, id, false)
-- No attempt is spent; the failure counts one.
job.made, job.was = job.made - 1, state
q.kept = {}
fail(q, job, outcome, now_ms)
flush_kept(q, now_ms)
return { 0 }
