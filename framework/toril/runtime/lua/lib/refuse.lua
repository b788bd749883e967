--- include lib/owner

-- Why a completed job may not finish, or 0: -4 children pending, -9 children failed.
local function refuse_for_children(job)
  if redis.call('EXISTS', job.key .. ':dependencies') == 1 then
    return -4
  end
  return redis.call('EXISTS', job.key .. ':unsuccessful') == 1 and -9 or 0
end

-- What keeps a job from waiting for children, or 0: -9 some failed, 1 none to wait for.
local function refuse_to_wait(job)
  if redis.call('EXISTS', job.key .. ':unsuccessful') == 1 then
    return -9
  end
  return redis.call('EXISTS', job.key .. ':dependencies') == 0 and 1 or 0
end

-- Whether the token may settle this start of the job, or 0.
local function refuse_for_owner(job, token, fence)
  if fence > 0 and fence ~= job.started then
    return -6
  end
  if is_owned_by(token, job.lock, job.owner, job.started) then
    return 0
  end
  return job.lock and -6 or -2
end
