--- include lib/running_job
--- include lib/complete
--- include lib/keyed
--- include lib/leave_active

local COMPLETED, FAILED, RETRIED, POSTPONED, GIVEN_BACK, MOVED = 1, 2, 3, 4, 5, 6

local rare

-- What the settling of a plain completion does not need, made when the first other one comes.
local function rarely()
  if not rare then
    --- include lib/refuse
    --- include lib/fail
    --- include lib/run_again
    rare = {
      refuse_for_owner = refuse_for_owner,
      refuse_for_children = refuse_for_children,
      refuse_to_wait = refuse_to_wait,
      failed_child = failed_child,
      [FAILED] = fail,
      [RETRIED] = retry,
      [POSTPONED] = postpone,
      [GIVEN_BACK] = give_back,
      [MOVED] = wait_for_children,
    }
  end
  return rare
end

local function settle_one(q, outcome, lock, token, may_have_children, now_ms)
  local kind, fence = outcome[1], outcome[3]
  local job = read_running(q, outcome[2], lock)
  if not job then
    return -1
  end
  local code = 0
  if kind == COMPLETED and (may_have_children or q.has_requeued) then
    code = rarely().refuse_for_children(job)
  elseif kind == MOVED then
    code = rarely().refuse_to_wait(job, outcome[4])
  end
  if code == 0 and (job.lock ~= token or fence > 0 and fence ~= job.started) then
    code = rarely().refuse_for_owner(job, token, fence)
  end
  if code ~= 0 then
    return code, code == -9 and { rarely().failed_child(job) }
  end
  q.unlocked[#q.unlocked + 1] = job.key .. ':lock'
  if not leave_active(q, job.id) then
    return -3
  end
  local move = kind == COMPLETED and complete or rarely()[kind]
  move(q, job, outcome, now_ms)
  if job.limit_keys then
    keyed().free_slots(q, job.id, job.limit_keys, now_ms)
  end
  return kind == MOVED and not job.has_children and 1 or 0
end
