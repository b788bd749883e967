--- include lib/queue

-- The mark of one start of a job: who runs it (`t:o`).
local function owner_mark(token, attempts_started)
  -- Most starts are a job's first, and to format a number costs half as much as a command.
  return token .. (attempts_started == 1 and '#1' or string.format('#%.0f', attempts_started))
end

-- Whether a job is this token's: it holds the lock; or the lock ran out and nobody started the job
-- since. `lock` is the lock's value or false.
local function is_owned_by(token, lock, mark, attempts_started)
  if lock then
    return lock == token
  end
  return mark == owner_mark(token, tonumber(attempts_started) or 0)
end

-- Calls visit(id, owned, lock, attempts_started) for each active job, newest first.
local function visit_active(q, token, visit)
  for _, id in ipairs(redis.call('LRANGE', q.active, 0, -1)) do
    local job_key = q.base .. id
    local lock = redis.call('GET', job_key .. ':lock')
    if not lock or lock == token then
      local fields = redis.pcall('HMGET', job_key, 't:o', 'ats')
      visit(id, is_owned_by(token, lock, fields[1], fields[2]), lock, tonumber(fields[2]) or 0)
    end
  end
end
