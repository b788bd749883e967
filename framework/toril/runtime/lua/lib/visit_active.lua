--- include lib/queue
--- include lib/owner

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
