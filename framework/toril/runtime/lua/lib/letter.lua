--- include lib/remove_one
--- include lib/job_keys

-- Why a dead letter cannot be taken away now: -1 there is none of that id, -3 it is being handled;
-- nil if it can be.
local function find_letter_refusal(q, id)
  local key = q.base .. id
  if not is_job(key) or redis.call('HEXISTS', key, 't:dl') == 0 then
    return -1
  elseif is_locked(key) or redis.call('LPOS', q.active, id)
    or redis.call('ZSCORE', q.waiting_children, id)
  then
    return -3
  end
  return nil
end
