--- include lib/owner

-- What forbids the token to settle this start of the job, or 0.
local function refuse_for_owner(job, token, fence)
  if fence > 0 and fence ~= job.started then
    return -6
  elseif job.lock then
    return job.lock == token and 0 or -6
  end
  local mark = redis.call('HGET', job.key, 't:o')
  return is_owned_by(token, false, mark, job.started) and 0 or -2
end

-- Why a completed job may not finish, or 0: -4 children pending, -9 children failed.
local function refuse_for_children(job)
  if redis.call('EXISTS', job.key .. ':dependencies') == 1 then
    return -4
  end
  return redis.call('EXISTS', job.key .. ':unsuccessful') == 1 and -9 or 0
end

-- What keeps a job from waiting for children, or 0: -9 some failed, -12 none to wait for, again.
local function refuse_to_wait(job, has_added)
  if redis.call('EXISTS', job.key .. ':unsuccessful') == 1 then
    return -9
  end
  job.has_children = redis.call('EXISTS', job.key .. ':dependencies') == 1
  if job.has_children or has_added then
    return 0
  end
  local in_vain = tonumber(redis.call('HGET', job.key, 't:w'))
  return in_vain and in_vain == job.started - 1 and -12 or 0
end

-- The child for which a job was refused with -9, and why that one failed.
local function failed_child(job)
  local child = redis.call('ZRANGE', job.key .. ':unsuccessful', 0, 0)[1]
  local reason = redis.pcall('HGET', child, 'failedReason')
  return child, type(reason) == 'string' and reason or ''
end
