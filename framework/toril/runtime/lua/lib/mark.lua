--- include lib/settings

local function is_paused(q)
  return settings_of(q).is_paused
end

-- Whether as many jobs are active as the queue allows over all workers.
local function is_maxed(q)
  local max_active = settings_of(q).max_active
  return max_active ~= nil and redis.call('LLEN', q.active) >= max_active
end

-- Wakes an idle worker: there may be a job. Asked again in one call it costs nothing. A call that
-- may claim the job itself sets `defers_marks` and decides at its end.
local function mark(q)
  if q.defers_marks then
    q.wants_mark = true
  elseif not q.is_marked and not is_paused(q) and not is_maxed(q) then
    q.is_marked = true
    redis.call('ZADD', q.marker, 0, '0')
  end
end

-- Tells idle workers when the next delayed job is due; call it after adding to `delayed`.
local function mark_delay(q)
  local first = redis.call('ZRANGE', q.delayed, 0, 0, 'WITHSCORES')
  if first[2] then
    redis.call('ZADD', q.marker, tonumber(first[2]) / 4096, '1')
  end
end
