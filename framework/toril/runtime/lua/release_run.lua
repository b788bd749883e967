--[[
  Starts a run of a flow whose jobs are all stored by now: what needs no other step becomes ready.
  BullMQ: none

  KEYS[n] base           of each queue that the run's jobs are on; the jobs' keys are built from it
  ARGV[1] number         of the queue, in KEYS, of the job that holds the run
  ARGV[2] id             of that job
  ARGV[3] starter        who starts it, to be known again if the reply is lost
  ARGV[4] steps          msgpack, a list of {queue's number in KEYS, id, priority}
  Returns 1 if this starter has started the run, now or before; 0 if another one has
  Events: waiting
]]

--- include lib/push
--- include lib/push_pending
--- include lib/emit

local number, id, starter = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local steps = cmsgpack.unpack(ARGV[4])

local first_key = KEYS[number] .. id
local held_by = redis.call('HGET', first_key, 't:h')
if held_by ~= '1' then
  return held_by == starter and 1 or 0
end
redis.call('HSET', first_key, 't:h', starter)

local touched = {}
for _, step in ipairs(steps) do
  local q, step_id, priority = queue_at(KEYS[step[1]]), step[2], step[3]
  touched[q] = true
  if redis.call('ZREM', q.waiting_children, step_id) == 1 then
    if priority > 0 then
      push_prioritized(q, step_id, priority)
    else
      append_pending(q, step_id)
    end
    emit(q, 'waiting', 'jobId', step_id, 'prev', 'waiting-children')
  end
end
for q in pairs(touched) do
  push_pending(q)
end
return 1
