-- Ids that the queue's events say were added since an instant, as far back as they are looked at.
local function added_since(q, since_ms)
  if q.added then
    return q.added
  end
  q.added = {}
  local last = '+'
  for _ = 1, 20 do
    local entries = redis.call('XREVRANGE', q.events, last, since_ms, 'COUNT', 1000)
    for _, entry in ipairs(entries) do
      local fields = entry[2]
      if fields[2] == 'added' then
        q.added[fields[4]] = true
      end
    end
    if #entries < 1000 then
      break
    end
    last = '(' .. entries[1000][1]
  end
  return q.added
end

-- Whether this very add stored the job before: it is there as it was sent, or the events tell of it
-- though it has run and was removed since. They count only for an id that nobody else can have used.
local function was_added_before(q, job, since_ms)
  if job.is_id_new then
    return job.exists or added_since(q, since_ms)[job.id] or false
  end
  local stored = redis.call('HMGET', job.key, 'timestamp', 'opts')
  return tonumber(stored[1]) == job.timestamp and stored[2] == job.opts
end
