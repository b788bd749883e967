--[[
  Counts a stall of one active job whose worker died; the job stays where it is.
  BullMQ: none; the counting part of moveStalledJobsToWait

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] token          of the dead worker
  ARGV[2] id
  ARGV[3] limit          of stalls; a job over it carries `defa`
  ARGV[4] reason         what `defa` says
  Returns the job's stalls, or 0 if it is not the token's any more
  Events: stalled
]]

--- include lib/owner
--- include lib/emit
--- include lib/return_stalled
--- include lib/is_job

local q = queue_at(KEYS[1])
local token = ARGV[1]
local id = ARGV[2]
local limit = tonumber(ARGV[3])
local reason = ARGV[4]
local job_key = q.base .. id

if not is_job(job_key) then
  return 0
end
local lock = redis.call('GET', job_key .. ':lock')
local fields = redis.call('HMGET', job_key, 't:o', 'ats')
if not is_owned_by(token, lock, fields[1], fields[2]) then
  return 0
end

local stalls = (tonumber(redis.call('HGET', job_key, 'stc')) or 0) + 1
redis.call('HSET', job_key, 'stc', stalls)
if stalls > limit and not has_live_scheduler(q, job_key) then
  redis.call('HSET', job_key, 'defa', reason)
end
emit(q, 'stalled', 'jobId', id)
return stalls
