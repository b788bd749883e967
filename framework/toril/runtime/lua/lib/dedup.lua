--- include lib/queue

-- When a job finishes: frees its deduplication id, unless a time is still running on it.
local function release_dedup(q, id, dedup_id)
  local key = q.base .. 'de:' .. dedup_id
  local ttl = redis.call('PTTL', key)
  if ttl == 0 or (ttl == -1 and redis.call('GET', key) == id) then
    redis.call('DEL', key)
  end
end

-- When a job is removed: frees its deduplication id, and drops the job that waited for it.
local function delete_dedup(q, id)
  local dedup_id = redis.call('HGET', q.base .. id, 'deid')
  if dedup_id and redis.call('GET', q.base .. 'de:' .. dedup_id) == id then
    redis.call('DEL', q.base .. 'de:' .. dedup_id, q.base .. 'dn:' .. dedup_id)
  end
end
