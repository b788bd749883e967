--[[
  Writes down how runs ended and claims the next jobs, many of each in one call.
  BullMQ: moveToFinished, moveToActive, moveToDelayed, retryJob, moveJobFromActiveToWait,
          moveToWaitingChildren

  KEYS[1] base           of the queue; every other key is built from it, from a parent's key
                         or from the base of a dead-letter queue
  ARGV[1] now_ms
  ARGV[2] owner          msgpack, a map: token, lock_ms, worker (its name, or empty), minutes (for
                         which finished jobs are counted, 0 for not at all); and max, duration in
                         ms: starts that this worker allows the queue, if it brings a rate
  ARGV[3] wanted         how many jobs to claim
  ARGV[4] outcomes       msgpack, a list of {kind, id, fence, what the kind takes...}
  Returns msgpack {a code per outcome, claimed jobs {id, fields, attempts started, children's
          results or false}, rate limit in ms, when the next delayed job is due or -1, {number,
          child, its reason} for each outcome with code -9}.
          Codes: 0 done, 1 no child is pending so it runs again, -1 no job, -2 no lock,
          -3 not active, -4 children pending, -6 another's lock or a later start, -9 failed
          children, -12 no children to wait for again,
          -100 a key it needs is not of the type it should be: still active, its lock given up
  Events: completed, failed, retries-exhausted, waiting, delayed, waiting-children, active, drained;
          those of parents, of dead letters and of a job that waited for a deduplication id
]]

--- include lib/plain_round

local now_ms = ARGV[1]
local owner = cmsgpack.unpack(ARGV[2])
local wanted = tonumber(ARGV[3])
local outcomes = cmsgpack.unpack(ARGV[4])
local plain_codes, plain_jobs = play_plain_round(KEYS[1], now_ms, owner, wanted, outcomes)
if plain_codes then
  return cmsgpack.pack({ plain_codes, plain_jobs, 0, -1, {} })
end

--- include lib/emit
--- include lib/mark
--- include lib/next_due
--- include lib/promote_due
--- include lib/settle
--- include lib/claim

local q = queue_at(KEYS[1])
now_ms = tonumber(now_ms)

q.defers_marks = true
-- Before all else: it needs no memory, and after a first write a full server lets the others pass.
trim_events(q)
local codes, has_finished, failed = settle(q, outcomes, owner.token, now_ms)
if owner.minutes > 0 then
  --- include lib/metrics
  count_finished(q, outcomes, codes, now_ms, owner.minutes)
end
promote_due(q, now_ms)
local jobs, limit_ms, due_ms = {}, 0, nil
if wanted > 0 then
  q.has_delayed = false
  jobs, limit_ms = claim(q, wanted, owner, now_ms)
  if q.has_delayed then
    mark_delay(q)
  end
  due_ms = #jobs < wanted and next_due_ms(q) or nil
end

if #jobs > 0 then
  if has_work(q) then
    redis.call('ZADD', q.marker, 0, '0')
  end
elseif (q.wants_mark or #outcomes > 0) and has_work(q) then
  q.defers_marks = false
  mark(q)
elseif has_finished and limit_ms == 0 and not due_ms
  and (wanted == 0 or not is_paused(q)) and redis.call('LLEN', q.active) == 0
  and not has_work(q)
then
  emit(q, 'drained')
end
return cmsgpack.pack({ codes, jobs, limit_ms, due_ms or -1, failed })
