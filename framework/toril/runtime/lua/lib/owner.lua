--- include lib/owner_mark

-- Whether a job is this token's: it holds the lock; or the lock ran out and nobody started the job
-- since. `lock` is the lock's value or false.
local function is_owned_by(token, lock, mark, attempts_started)
  if lock then
    return lock == token
  end
  return mark == owner_mark(token, tonumber(attempts_started) or 0)
end
