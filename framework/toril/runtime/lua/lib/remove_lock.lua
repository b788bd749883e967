--- include lib/queue

-- Gives up a lock: 0, -2 when there is none, -6 when another token holds it. Token '0' needs none.
local function remove_lock(q, id, token)
  if token == '0' then
    return 0
  end
  local lock_key = q.base .. id .. ':lock'
  local holder = redis.call('GET', lock_key)
  if holder == token then
    redis.call('DEL', lock_key)
    redis.call('SREM', q.stalled, id)
    return 0
  end
  return holder and -6 or -2
end
