--- include lib/queue

-- The job that a deduplication id belongs to, or nil. A key that outlived its job is dropped, unless
-- a time runs on it: then it still keeps others away.
local function find_dedup_owner(q, rule)
  -- An error (not a text) is overwritten as nothing.
  local owner = redis.pcall('GET', rule.key)
  if type(owner) ~= 'string' then
    return nil
  end
  if redis.call('PTTL', rule.key) == -1 and redis.call('EXISTS', q.base .. owner) == 0 then
    redis.call('DEL', rule.key, rule.next_key)
    return nil
  end
  return owner
end

-- A job that keeps the last one for later holds its id until it finishes, whatever its time says.
local function take_dedup(rule, id)
  if rule.ttl > 0 and not rule.keep_last then
    redis.call('SET', rule.key, id, 'PX', rule.ttl)
  else
    redis.call('SET', rule.key, id)
  end
end
