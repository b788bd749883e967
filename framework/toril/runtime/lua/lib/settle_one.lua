--- include lib/delay
--- include lib/running_job
--- include lib/refuse
--- include lib/finish
--- include lib/leave_active
--- include lib/key_slots

local COMPLETED, FAILED, RETRIED, POSTPONED, GIVEN_BACK, MOVED = 1, 2, 3, 4, 5, 6

local MOVES = {
  [COMPLETED] = complete,
  [FAILED] = fail,
  [RETRIED] = retry,
  [POSTPONED] = postpone,
  [GIVEN_BACK] = give_back,
  [MOVED] = wait_for_children,
}

local function settle_one(q, outcome, lock, token, may_have_children, now_ms)
  local kind, fence = outcome[1], outcome[3]
  local job = read_running(q, outcome[2], lock)
  if not job then
    return -1
  end
  local code = 0
  if kind == COMPLETED and (may_have_children or q.has_requeued) then
    code = refuse_for_children(job)
  elseif kind == MOVED then
    code = refuse_to_wait(job, outcome[4])
  end
  if code == 0 then
    code = refuse_for_owner(job, token, fence)
  end
  if code ~= 0 then
    return code, code == -9 and { failed_child(job) }
  end
  q.unlocked[#q.unlocked + 1] = job.key .. ':lock'
  if redis.call('LREM', q.active, -1, job.id) == 0 then
    return -3
  end
  q.taken_out = job.id
  MOVES[kind](q, job, outcome, now_ms)
  if job.limit_keys then
    free_slots(q, job.id, job.limit_keys, now_ms)
  end
  return kind == MOVED and not job.has_children and 1 or 0
end
